import { Injectable } from '@nestjs/common';
import { Metrics } from './health/metrics.js';
import type { NextFunction, Request, Response } from './http.js';

/** Counts the answers of our routes. */
@Injectable()
export class CountRequests {
  constructor(private readonly metrics: Metrics) {}

  use(req: Request, res: Response, next: NextFunction): void {
    res.once('finish', () => this.metrics.requests.inc({ method: req.method, status: String(res.statusCode) }));
    next();
  }
}
