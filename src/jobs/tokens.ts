/** Injection token of the Keyring made from the options' `keys`. */
export const KEYRING = Symbol('mailferry.keyring');
/** Injection token of what steers jobs beside their owners (password-links.ts); may be missing. */
export const STEERING = Symbol('mailferry.steering');
