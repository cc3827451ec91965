/** What a code means for the person at the keyboard, and what to do about it. English; pages may translate by code. */
export interface Words {
  readonly message: string;
  readonly action?: string;
}
