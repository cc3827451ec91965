import { z } from 'zod';
import { API_ROUTES, type ApiRoute } from './routes.js';
import { ErrorBody } from './reply-schemas.js';

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 document, made of the route table and the schemas that check the requests. */
export function openApiDocument(apiUrl: string, version: string): Json {
  const components: Json = {};
  const schema = (type: z.ZodType, io: 'input' | 'output'): Json => toSchema(type, io, components);

  const paths: Record<string, Json> = {};
  for (const route of API_ROUTES) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method] = operation(route, schema);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Mailferry',
      version,
      description: 'Moves mailboxes into the hoster’s mail server. Dates are ISO 8601 in UTC, sizes are bytes.',
    },
    servers: [{ url: apiUrl }],
    security: [{ bearer: [] }, { session: [] }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'aud: mailferry/api, at most 1 h' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-mailferry',
          description: 'The browser’s session; changes need the X-CSRF-Token header, too',
        },
      },
    },
  };
}

function operation(route: ApiRoute, schema: (type: z.ZodType, io: 'input' | 'output') => Json): Json {
  const errors = [...new Set([...route.errors, 401, 403, 500])].sort();
  const parameters = [
    ...Object.entries(route.params ?? {}).map(([name, type]) => ({
      name,
      in: 'path',
      required: true,
      schema: schema(type, 'input'),
    })),
    ...Object.entries(route.query?.shape ?? {}).map(([name, type]) => ({
      name,
      in: 'query',
      required: false,
      schema: schema(type as z.ZodType, 'output'),
    })),
    ...Object.entries(route.headers ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string' },
    })),
  ];
  return {
    operationId: operationId(route),
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && {
      requestBody: { required: true, content: { 'application/json': { schema: schema(route.body, 'input') } } },
    }),
    ...(route.takesFiles && { requestBody: { required: true, content: { 'multipart/form-data': { schema: FILES } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, { says, body }]) => [
          status,
          { description: says, ...(body !== null && { content: content(body, schema) }) },
        ]),
      ),
      ...Object.fromEntries(
        errors.map((status) => [
          status,
          { description: 'Refused', content: { 'application/json': { schema: schema(ErrorBody, 'output') } } },
        ]),
      ),
    },
  };
}

const FILES: Json = {
  type: 'object',
  properties: { file: { type: 'array', items: { type: 'string', contentMediaType: 'application/octet-stream' } } },
  required: ['file'],
};

function content(body: z.ZodType | string, schema: (type: z.ZodType, io: 'input' | 'output') => Json): Json {
  return typeof body === 'string' ? { [body]: {} } : { 'application/json': { schema: schema(body, 'output') } };
}

function operationId({ method, path }: ApiRoute): string {
  const words = path.split(/[^A-Za-z]+/).filter((word) => word !== '');
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
}

/** zod puts named schemas into $defs; OpenAPI wants them in one place for the whole document. */
function toSchema(type: z.ZodType, io: 'input' | 'output', components: Json): Json {
  const made = z.toJSONSchema(type, { io, unrepresentable: 'any', target: 'draft-2020-12' }) as Json;
  delete made['$schema'];
  const definitions = (made['$defs'] ?? {}) as Record<string, Json>;
  delete made['$defs'];
  for (const [name, definition] of Object.entries(definitions)) components[name] ??= relink(definition);
  const name = made['id'];
  if (typeof name !== 'string') return relink(made) as Json;
  components[name] ??= relink(made);
  return { $ref: `#/components/schemas/${name}` };
}

function relink(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relink);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      if (key === 'id' && typeof inner === 'string') return [];
      if (key === '$ref' && typeof inner === 'string')
        return [[key, inner.replace('#/$defs/', '#/components/schemas/')]];
      return [[key, relink(inner)]];
    }),
  );
}
