import { DavSource, type DavSourceOptions } from './dav/dav-source.js';
import { GmailSource, type GmailSourceOptions } from './gmail/gmail-source.js';
import { EwsSource, type EwsSourceOptions } from './ews/ews-source.js';
import { FilesSource, type FilesSourceOptions } from './files/files-source.js';
import type { Source } from './source.js';

/** What each kind of source is built from. A new source is a line here and in the list below. */
export interface SourceOptions {
  readonly imap: GmailSourceOptions;
  readonly dav: DavSourceOptions;
  readonly ews: EwsSourceOptions;
  readonly files: FilesSourceOptions;
}
export type SourceKind = keyof SourceOptions;

const SOURCES: { readonly [Kind in SourceKind]: (options: SourceOptions[Kind]) => Source } = {
  // Plain IMAP wherever the server has no labels.
  imap: (options) => new GmailSource(options),
  dav: (options) => new DavSource(options),
  ews: (options) => new EwsSource(options),
  files: (options) => new FilesSource(options),
};

export function isSourceKind(kind: string): kind is SourceKind {
  return Object.hasOwn(SOURCES, kind);
}

export function createSource<Kind extends SourceKind>(kind: Kind, options: SourceOptions[Kind]): Source {
  return SOURCES[kind](options);
}
