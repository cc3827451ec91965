import { CHANGES, isOfFolder } from '../../src/reports/words.js';

it('counts remarks about items and never those about a folder', () => {
  expect(['FOLDER_RENAMED', 'LISTING_PARTIAL', 'REPLACE_REFUSED'].map(isOfFolder)).toEqual([true, true, true]);
  expect(['DATE_CHANGED', 'REMOVED_AT_SOURCE', 'FOLDER_REMOVED_AT_SOURCE'].map(isOfFolder)).toEqual([
    false,
    false,
    false,
  ]);
  // Whoever says what happened to "a folder" or "the folder" gives no number of items.
  const aboutAFolder = Object.entries(CHANGES).filter(([, words]) => /^(The|A) folder (was|has|could)/.test(words));
  const counted = aboutAFolder.map(([code]) => code).filter((code) => !isOfFolder(code));
  expect(counted).toEqual([]);
});
