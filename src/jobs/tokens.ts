/** Injection token of the Keyring made from the options' `keys`. */
export const KEYRING = Symbol('mailferry.keyring');
