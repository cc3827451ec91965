import type { Component } from '../text/component.js';
import { unescapeText } from '../text/values.js';
import type { Context } from './context.js';

const LISTS = new Set(['CATEGORIES', 'RESOURCES']);

/**
 * A comma inside of a category, where the destination takes it for the end of one (Cyrus 3.6 does, although it is escaped as RFC
 * 5545 section 3.3.11 wants): cut as the destination would cut it, and told, so that what is sent is what is kept.
 */
export function cutAtCommas(component: Component, { target, changes }: Context): Component {
  if (!target.cutsAtCommas) return component;
  const properties = component.properties.map((one) => {
    if (!LISTS.has(one.name) || !/\\,/.test(one.value.replace(/\\\\/g, ''))) return one;
    for (const part of one.value.split(/(?<!\\),/))
      if (part.includes('\\,')) changes.add('CATEGORY_SPLIT', unescapeText(part));
    return { ...one, value: one.value.replace(/\\([\s\S])[ \t]*/g, (all, char: string) => (char === ',' ? ',' : all)) };
  });
  return { ...component, properties };
}
