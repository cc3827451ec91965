import { inPeoplesOrder } from '../../src/mailbox/folder.js';

it('lists the inbox first, then what every mailbox has, then folders by name and number', () => {
  const folders = [
    { path: ['Year 10'] },
    { path: ['Trash'], role: 'trash' as const },
    { path: ['Year 9'] },
    { path: ['Gesendet'], role: 'sent' as const },
    { path: ['INBOX'], role: 'inbox' as const },
    { path: ['Äpfel'] },
  ];
  expect(inPeoplesOrder(folders).map(({ path }) => path[0])).toEqual([
    'INBOX',
    'Gesendet',
    'Trash',
    'Äpfel',
    'Year 9',
    'Year 10',
  ]);
});
