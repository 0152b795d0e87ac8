import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import type { CountryCode } from 'libphonenumber-js/max'

/**
 * One value for one line: E.164, with the forms that a country's numbering plan went through folded into one. The value is
 * a key to recognise somebody by; what to dial is the channel's business.
 *
 * Undefined for what cannot be a phone number. `isPossible` (length) decides and not `isValid` (ranges in use), because
 * numbering plans change faster than libraries.
 *
 * Invariant: `normalPhone(normalPhone(x)) === normalPhone(x)`.
 */
export function normalPhone(written: string, defaultCountry?: string): string | undefined {
  if (written.length > 100) return undefined
  let value = written.normalize('NFKC').trim().replace(/^tel:/i, '')
  // 00 is how most of the world writes +; with a country set, the library knows that country's own prefix.
  if (defaultCountry === undefined) value = value.replace(/^00(?=[1-9])/, '+')
  // Again until nothing changes: the library strips one layer of trunk prefixes at a time.
  for (let round = 0; round < 4; round += 1) {
    const next = oneForm(value, round === 0 ? defaultCountry : undefined)
    if (next === undefined || next === value) return next
    value = next
  }
  return undefined
}

function oneForm(value: string, defaultCountry: string | undefined): string | undefined {
  const parsed = parsePhoneNumberFromString(value, {
    ...(defaultCountry === undefined ? {} : { defaultCountry: defaultCountry as CountryCode }),
    extract: false,
  })
  if (parsed === undefined) return undefined
  const folded = foldPlan(parsed.countryCallingCode, parsed.nationalNumber)
  if (folded === undefined && !parsed.isPossible()) return undefined
  const number = folded ?? parsed.number
  // People behind one switchboard are not one person.
  return parsed.ext === undefined ? number : `${number};ext=${parsed.ext}`
}

function foldPlan(callingCode: string, national: string): string | undefined {
  switch (callingCode) {
    case '52': {
      // Mexico: mobiles were dialled +52 1 until 2019, nationally 044/045; networks still report both forms.
      const old = /^(?:1|01|044|045)(\d{10})$/.exec(national)
      return old === null ? undefined : `+52${old[1]}`
    }
    case '54': {
      // Argentina: the 9 after +54 asks for the mobile network and is not part of the line's number.
      const mobile = /^9(\d{10})$/.exec(national)
      return mobile === null ? undefined : `+54${mobile[1]}`
    }
    case '55': {
      // Brazil: mobiles got a ninth digit between 2012 and 2016; old address books and some networks lack it.
      const short = /^(\d{2})([6-9]\d{7})$/.exec(national)
      return short === null ? undefined : `+55${short[1]}9${short[2]}`
    }
    default:
      return undefined
  }
}

/** What a network vouches for although it is no E.164 number: short codes, service numbers. */
export function compactPhone(written: string): string | undefined {
  const compact = written.replace(/[\s().\-/]/g, '')
  return /^\+?\d{3,20}$/.test(compact) ? compact : undefined
}
