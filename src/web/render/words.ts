import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInstance, type i18n } from 'i18next';

/** Language of last resort; every key exists in it. */
const FALLBACK = 'en';

/** The words of the pages: `views/locales/<language>[.<part>].json`, merged by language. An i18next of our own. */
export class Words {
  private constructor(
    private readonly i18n: i18n,
    readonly languages: readonly string[],
  ) {}

  static load(folder: string): Words {
    const resources: Record<string, { translation: Record<string, unknown> }> = {};
    for (const file of readdirSync(folder).sort()) {
      const language = /^([a-z]{2}(?:-[A-Z]{2})?)(\.[a-z-]+)?\.json$/.exec(file)?.[1];
      if (language === undefined) continue;
      const words = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>;
      const bundle = (resources[language] ??= { translation: {} });
      for (const [key, value] of Object.entries(words)) {
        if (key in bundle.translation) throw new Error(`${file}: "${key}" is already said in another file`);
        bundle.translation[key] = value;
      }
    }
    const instance = createInstance();
    void instance.init({
      resources,
      fallbackLng: FALLBACK,
      initAsync: false,
      // Handlebars escapes what a helper returns as a plain string.
      interpolation: { escapeValue: false },
      returnNull: false,
    });
    return new Words(instance, Object.keys(resources));
  }

  /** The best language we have for a BCP 47 tag. */
  language(wanted: string | undefined): string {
    if (wanted === undefined) return FALLBACK;
    const base = wanted.split('-', 1)[0] ?? '';
    return [wanted, base].find((tag) => this.languages.includes(tag)) ?? FALLBACK;
  }

  /** True: the key is there in the fallback language, with or without plural forms. */
  has(key: string): boolean {
    return [key, `${key}_other`].some((name) => this.i18n.exists(name, { lng: FALLBACK }));
  }

  /** The words for a key; the key itself where nobody wrote any. */
  say(language: string, key: string, values: Readonly<Record<string, unknown>> = {}): string {
    return String(this.i18n.t(key, { ...values, lng: language }));
  }
}
