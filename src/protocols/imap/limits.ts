/** What one server may make us hold. RFC 7162 section 4 recommends 8,192 octets for commands; answers are longer. */
export const WIRE_LIMITS = {
  /** One line without its literals. A SEARCH answer of 70,000 numbers fits. */
  lineBytes: 512 * 1024,
  /** A literal that is kept in memory: a folder name, a header field. Bodies are streamed and have a limit of their own. */
  keptLiteralBytes: 64 * 1024,
  /** All lines and kept literals of one answer. */
  responseBytes: 1024 * 1024,
  /** Text and literals of one answer, counted as pieces. */
  pieces: 64,
  /** Lists inside lists. */
  depth: 16,
  /** Atoms, strings and lists in one answer. */
  tokens: 100_000,
  /** All lines and kept literals that come before a command is answered: the metadata of a million messages. */
  talkBytes: 128 * 1024 * 1024,
  /** Messages in one mailbox. */
  messages: 20_000_000,
  /** Answers nobody asked for while one command runs. */
  strayResponses: 200_000,
} as const;

/** Octets of a sequence set in one command: Exchange and Zimbra take lines of 10 KB. */
export const MAX_SET_LENGTH = 4_000;

/** No byte in either direction for this long while a command runs: the server is gone (ms). */
export const QUIET_MS = 120_000;
/** After the last byte of an APPEND: scanners behind the server are slow (ms). */
export const APPEND_QUIET_MS = 360_000;
/** For everything from the first packet to a signed-in session (ms). */
export const OPEN_DEADLINE_MS = 45_000;
