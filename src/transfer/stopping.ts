/** Unwinds a run to its end after somebody asked it to stop. Never leaves this room. */
export class Stopped extends Error {
  constructor() {
    super('stopped');
    this.name = 'Stopped';
  }
}
