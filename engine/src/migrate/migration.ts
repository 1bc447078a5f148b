/** One step of a database's schema. An applied migration never changes; a later step is another one. */
export interface Migration {
  /** Four digits and a name, for example `0001_initial`. Names grow along the list. */
  readonly name: string;
  /** A script of statements, the same for PGlite and Postgres, without transaction commands. */
  readonly sql: string;
}
