import { All } from '@nestjs/common';
import { Access } from './auth/access.decorator.js';
import { WebController } from './web-controller.js';
import { notFound } from './web-error.js';

/** Last of all: a path below ours that is none of our pages. Only where the base path is ours alone. */
@WebController()
export class UnknownController {
  @All('*path')
  @Access('unknown')
  unknown(): never {
    throw notFound();
  }
}
