/**
 * One login name made of the person's and the administrator's, e.g. '{user}*{admin}' (Dovecot). In one go: a name that
 * holds braces of its own is not looked into. The names were checked: none holds what separates them.
 */
export function compositeLogin(template: string, user: string, admin: string): string {
  return template.replace(/\{(user|admin)\}/g, (_, who) => (who === 'user' ? user : admin));
}
