/** How a private Dovecot is to behave. What is left out is what a common hoster runs. */
export interface DovecotShape {
  /** Default 'maildir'. */
  readonly format?: 'maildir' | 'mdbox' | 'sdbox';
  /** Hierarchy separator. Default '/'. */
  readonly separator?: '/' | '.';
  /** Prefix of every folder but INBOX, with its separator, e.g. 'INBOX.'. Default none. */
  readonly prefix?: string;
  /** Special-use folders by name (UTF-8), e.g. {Sent: '\\Sent'}. They are made and subscribed at the first sign-in. */
  readonly specialUse?: Readonly<Record<string, string>>;
  /** Storage of every user without a rule of his own, as Dovecot writes it, e.g. '500M'. Default '1G'. */
  readonly quota?: string;
  /** Default 20. */
  readonly maxUserIpConnections?: number;
  /** Folder names may hold what the format keeps for itself, e.g. a dot in maildir. Default false. */
  readonly escapeNames?: boolean;
  /** More lines for the end of the file, e.g. to take a capability away: `imap_capability = IMAP4rev1 IDLE`. */
  readonly extra?: string;
}

export const DEFAULT_SPECIAL_USE: Readonly<Record<string, string>> = {
  Drafts: '\\Drafts',
  Sent: '\\Sent',
  Trash: '\\Trash',
  Junk: '\\Junk',
};

/** What the file must know about the machine. */
export interface DovecotPlace {
  readonly name: string;
  readonly dir: string;
  /** Sockets: a short path. */
  readonly baseDir: string;
  readonly ports: { readonly imap: number; readonly imaps: number };
  /** Who owns the mail, and who runs the inner and the login processes. */
  readonly mail: { readonly uid: number; readonly gid: number };
  readonly internalUser: string;
  readonly internalGroup: string;
  readonly loginUser: string;
  readonly root: boolean;
  /** Where the programs are when they were unpacked; null: installed. */
  readonly unpacked: string | null;
}

const STATE_DIRS = { maildir: 'maildir:~/Maildir', mdbox: 'mdbox:~/mdbox', sdbox: 'sdbox:~/sdbox' };

/** The whole dovecot.conf (2.3). */
export function dovecotConfig(shape: DovecotShape, place: DovecotPlace): string {
  const special = Object.entries(shape.specialUse ?? DEFAULT_SPECIAL_USE).map(
    ([name, use]) => `  mailbox "${name}" {\n    special_use = ${use}\n    auto = subscribe\n  }`,
  );
  return `base_dir = ${place.baseDir}
state_dir = ${place.dir}/state
log_path = ${place.dir}/dovecot.log
instance_name = mailferry-${place.name}
protocols = imap
listen = 127.0.0.1
default_internal_user = ${place.internalUser}
default_internal_group = ${place.internalGroup}
default_login_user = ${place.loginUser}
first_valid_uid = ${place.mail.uid}
last_valid_uid = ${place.mail.uid}
first_valid_gid = ${place.mail.gid}
mail_location = ${STATE_DIRS[shape.format ?? 'maildir']}
mail_plugins = quota${shape.escapeNames ? ' listescape' : ''}
mail_max_userip_connections = ${shape.maxUserIpConnections ?? 20}
mail_max_keyword_length = 50
# A killed process loses nothing by this, only a power cut would; these servers hold samples.
mail_fsync = never
ssl = yes
ssl_cert = <${place.dir}/server.crt
ssl_key = <${place.dir}/server.key
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
auth_username_format = %Lu
auth_failure_delay = 0
login_greeting = Dovecot ready.
${place.unpacked ? unpackedSettings(place.unpacked) : ''}
passdb {
  driver = passwd-file
  args = username_format=%n ${place.dir}/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = username_format=%Lu ${place.dir}/users/%Lu
}
userdb {
  driver = passwd-file
  args = username_format=%Lu ${place.dir}/users/%Lu
}
service anvil {
  client_limit = 2000
  # No waiting after wrong passwords: everybody comes from the same address here.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
${place.root ? '' : '  chroot =\n'}}
service auth {
  client_limit = 2000
}
service auth-worker {
  user = ${place.internalUser}
}
service stats {
  client_limit = 2000
${place.root ? '' : '  chroot =\n'}}
service imap-login {
${place.root ? '' : '  chroot =\n'}  inet_listener imap {
    port = ${place.ports.imap}
  }
  inet_listener imaps {
    port = ${place.ports.imaps}
    ssl = yes
  }
}
service imap {
  process_limit = 400
}
namespace inbox {
  inbox = yes
  separator = ${shape.separator ?? '/'}
  prefix = ${shape.prefix ?? ''}
${special.join('\n')}
}
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_grace = 0
  quota_rule = *:storage=${shape.quota ?? '1G'}
}
${shape.extra ?? ''}
`;
}

/** Programs and modules below another root; the libraries' path has to survive into every child. */
function unpackedSettings(root: string): string {
  return `libexec_dir = ${root}/usr/lib/dovecot
mail_plugin_dir = ${root}/usr/lib/dovecot/modules
login_plugin_dir = ${root}/usr/lib/dovecot/modules/login
import_environment = TZ CORE_OUTOFMEM CORE_ERROR LD_LIBRARY_PATH PATH`;
}

export interface DovecotUser {
  readonly user: string;
  readonly password: string;
  /** As Dovecot writes it, e.g. '64K'. */
  readonly quota?: string;
  readonly quotaMessages?: number;
  /** Largest message, e.g. '100K'. */
  readonly maxMessage?: string;
  /** The account exists and may not sign in. */
  readonly disabled?: boolean;
}

/** @throws Error when the name is none for a passwd-file or for a file of that name. */
export function checkName(name: string): void {
  if (!/^[^\s:/\\*%.][^\s:/\\*%]*$/.test(name)) throw new Error(`not a user name for Dovecot: ${JSON.stringify(name)}`);
}

/** One line of the passwd-file. @throws Error when the name would not fit on it. */
export function userLine(user: DovecotUser, home: string, mail: { uid: number; gid: number }): string {
  if (!/^[^\s:/\\*%]+$/.test(user.user))
    throw new Error(`not a user name for a passwd-file: ${JSON.stringify(user.user)}`);
  const extra = [
    ...(user.quota ? [`userdb_quota_rule=*:storage=${user.quota}`] : []),
    ...(user.quotaMessages ? [`userdb_quota_rule2=*:messages=${user.quotaMessages}`] : []),
    ...(user.maxMessage ? [`userdb_quota_max_mail_size=${user.maxMessage}`] : []),
    ...(user.disabled ? ['nologin=y', 'reason=Account_is_disabled'] : []),
  ];
  return `${user.user.toLowerCase()}:${secret(user.password)}:${mail.uid}:${mail.gid}::${home}::${extra.join(' ')}\n`;
}

export function masterLine(name: string, password: string): string {
  return `${name}:${secret(password)}\n`;
}

/** Base64, so that a colon or a space in a password does not end the field. */
function secret(password: string): string {
  return `{PLAIN.b64}${Buffer.from(password).toString('base64')}`;
}
