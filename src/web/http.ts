// The only place of this room that names Express: the host brings it, we only use its request and response.
export type { Request, Response, NextFunction } from 'express';
