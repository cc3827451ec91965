import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Principal } from '../../panel/host-panel.js';
import type { Actor, Visibility } from '../../jobs/contract.js';
import type { Request } from '../http.js';
import { visitorOf, type Visitor } from '../visitor.js';
import type { AccessName } from './access-table.js';

export const ACCESS_KEY = 'mailferry:access';

/** Which line of the access table decides about this route. */
export const Access = (name: AccessName) => SetMetadata(ACCESS_KEY, name);

export const LARGE_BODY_KEY = 'mailferry:large-body';

/** This route takes bodies of several megabytes, and files. They are read only once it is clear who sends them. */
export const LargeBody = () => SetMetadata(LARGE_BODY_KEY, true);

export const UPLOAD_KEY = 'mailferry:upload';

/** This route takes files while they come: `uploadOf(req)`. What stands before them in the form is there before. */
export const TakesFiles = () => SetMetadata(UPLOAD_KEY, true);

/** The person as the panel knows him at this request. Only on routes that are not public. */
export const Who = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal => visitor(context).principal,
);

/** The person as the jobs room wants him: who acts, from where, and what he may see. */
export const Acting = createParamDecorator((_: unknown, context: ExecutionContext): Actor => visitor(context).actor);

/** What the person may see. */
export const Sees = createParamDecorator(
  (_: unknown, context: ExecutionContext): Visibility => visitor(context).actor.visibility,
);

function visitor(context: ExecutionContext): Visitor {
  const found = visitorOf(context.switchToHttp().getRequest<Request>());
  if (found === null) throw new Error('a public route asks for the person');
  return found;
}
