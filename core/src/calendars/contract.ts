/** Opening hours as the engine computes with them. Instants are `Date`s, spans are seconds (fractions to the millisecond). */
export interface Calendar {
  readonly name: string
  /** Hash of the definition: two calendars of one version count the same seconds. */
  readonly version: string
  /** IANA name. */
  readonly timeZone: string
  /** Windows are half-open: open at the opening, closed at the closing time. */
  isOpen(at: Date): boolean
  /** `at` itself while open. null: it does not open any more. */
  nextOpen(at: Date): Date | null
  /** End of the opening that `at` lies in, over midnight where windows touch. null: closed, or open for a year and more. */
  closesAt(at: Date): Date | null
  /**
   * The instant at which `seconds` of opening time since `from` have passed; exhausted at closing time it is that closing
   * time. `from` itself for 0 or less. null: the calendar does not have that much opening time within 110 years.
   */
  add(from: Date, seconds: number): Date | null
  /** Opening time between two instants in seconds; 0 when `to` is not after `from`. */
  between(from: Date, to: Date): number
  /** The local date of `at` is one of the holidays. */
  isHoliday(at: Date): boolean
}

/** The calendars of the configuration by name. */
export interface Calendars {
  /** null: there is no such calendar. */
  get(name: string): Calendar | null
  /** Every second counts; what holds where no calendar is named. */
  readonly always: Calendar
  readonly names: readonly string[]
  /** A calendar that is not (or no longer) in the configuration. */
  read(name: string, definition: CalendarDefinition): Calendar
}

/** What a calendar is made of; `CalendarConfig` is one. */
export interface CalendarDefinition {
  readonly timeZone: string
  /** `mon: ["09:00-17:00"]`; several windows a day, 24:00 allowed as the end, close <= open runs over midnight. */
  readonly weekly: Readonly<Record<string, readonly string[]>>
  /** Local dates that are closed from 00:00 to 24:00, also for a shift begun the day before. */
  readonly holidays: readonly string[]
  /** Windows that begin on a date, instead of the weekly ones; [] = none. */
  readonly overrides: Readonly<Record<string, readonly string[]>>
}
