import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { API_ROUTES } from '../../../src/web/api/routes.js';
import { allRoutes } from '../routes.js';
import { startWeb, type WebApp } from '../web-app.js';

let web: WebApp;
let document: {
  openapi: string;
  servers: { url: string }[];
  paths: Record<
    string,
    Record<string, { operationId: string; responses: Record<string, unknown>; requestBody?: unknown }>
  >;
  components: { schemas: Record<string, unknown> };
};
beforeAll(async () => {
  web = await startWeb();
  document = (await request(web.server).get('/migrate/api/v1/openapi.json')).body as typeof document;
});
afterAll(() => web.close());

describe('the OpenAPI document', () => {
  it('lists exactly the routes of the controllers', () => {
    const served = allRoutes()
      .filter(({ path }) => path.startsWith('/api/v1/'))
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replace('/api/v1', '').replace(/:(\w+)/g, '{$1}')}`);
    const written = Object.entries(document.paths).flatMap(([path, verbs]) =>
      Object.keys(verbs).map((verb) => `${verb} ${path}`),
    );
    expect(written.sort()).toEqual(served.sort());
    expect(written.length).toBe(API_ROUTES.length);
    expect(written.length).toBeGreaterThan(10);
  });

  it('is OpenAPI 3.1 of this place, with every reference resolved and every operation named once', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.servers[0]?.url).toBe('/migrate/api/v1');
    const references = JSON.stringify(document).match(/"\$ref":"[^"]+"/g) ?? [];
    expect(references.length).toBeGreaterThan(5);
    for (const reference of references) {
      const name = /#\/components\/schemas\/(\w+)/.exec(reference)?.[1];
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    const ids = Object.values(document.paths).flatMap((verbs) =>
      Object.values(verbs).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('describes what is sent and what comes back', () => {
    const create = document.paths['/jobs']!['post']!;
    expect(create.requestBody).toMatchObject({
      content: { 'application/json': { schema: { required: ['mailbox', 'source'] } } },
    });
    expect(Object.keys(create.responses)).toEqual(expect.arrayContaining(['201', '401', '403', '409', '422', '429']));
    expect(document.components.schemas['Job']).toMatchObject({
      type: 'object',
      properties: { state: { enum: expect.arrayContaining(['needs-action']) } },
    });
    expect(JSON.stringify(document.components.schemas['Job'])).not.toContain('password');
  });
});
