/** Version of the contract. While major is 0 the minor acts as the major: any change of it may break plugins. */
export const api = Object.freeze({ major: 0, minor: 1 })
export const version = '0.1.0'
