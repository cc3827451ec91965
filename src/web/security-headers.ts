import helmet from 'helmet';
import type { NextFunction, Request, Response } from './http.js';

/**
 * The content policy of our pages: everything from ourselves, nothing inline. `images` names one more origin, the
 * panel's logo.
 */
export function contentSecurityPolicy(frameAncestors: readonly string[], images: readonly string[] = []): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${["'self'", 'data:', ...images].join(' ')}`,
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    `frame-ancestors ${["'self'", ...frameAncestors].join(' ')}`,
  ].join('; ');
}

/**
 * Headers of every answer of ours, and of none of the host's. No HSTS and no upgrade-insecure-requests: whether
 * there is https here is the host's business, and on a LAN there is none.
 */
export function securityHeaders(frameAncestors: readonly string[]) {
  const apply = helmet({
    contentSecurityPolicy: false,
    strictTransportSecurity: false,
    // X-Frame-Options knows no list of origins; frame-ancestors does.
    xFrameOptions: frameAncestors.length === 0 ? { action: 'sameorigin' } : false,
    referrerPolicy: { policy: 'same-origin' },
    crossOriginEmbedderPolicy: false,
    // A page in the panel's iframe is opened from another origin of the same site.
    crossOriginResourcePolicy: { policy: 'same-site' },
    // Removing it would be a change of the host's own headers, and the host decides.
    xPoweredBy: false,
  });
  const policy = contentSecurityPolicy(frameAncestors);
  return (req: Request, res: Response, next: NextFunction): void => {
    res.setHeader('Content-Security-Policy', policy);
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('Permissions-Policy', 'camera=(), microphone=(), geolocation=(), payment=()');
    apply(req, res, next);
  };
}
