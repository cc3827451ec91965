import { setTimeout as sleep } from 'node:timers/promises';
import type { Rule } from '../servers/imap-proxy.js';
import type { Fault, Side } from './plan.js';

/** What one side's proxy does to single commands. */
export function ruleOf(faults: readonly Fault[], side: Side): Rule {
  return ({ name, nth }) => {
    for (const fault of faults) {
      switch (fault.is) {
        case 'hold-reply':
          if (fault.side === side && fault.command === name && fault.nth === nth) {
            return { do: 'hold', what: 'reply', until: sleep(fault.ms) };
          }
          break;
        case 'drop-reply':
          if (fault.side === side && fault.command === name && fault.nth === nth) return { do: 'drop-reply' };
          break;
        case 'late-landing':
          if (side === 'destination' && name === 'APPEND' && fault.nth === nth)
            return { do: 'land-late', ms: fault.ms };
          break;
        case 'say':
          if (fault.side === side && fault.command === name && fault.nth === nth) {
            const bye = /^BYE ?(.*)$/.exec(fault.text);
            return bye ? { do: 'bye', text: bye[1] ?? '' } : { do: 'answer', text: fault.text };
          }
      }
    }
    return null;
  };
}
