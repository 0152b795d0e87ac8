import { randomBytes, randomUUID } from 'node:crypto'
import { test } from 'tap'
import { mintReplyToken, verifyReplyToken } from '../../src/outbound/reply-token.js'

const key = randomBytes(32)

test('a token leads back to its conversation, whatever a mail system did to its case', (t) => {
  const conversation = randomUUID()
  const token = mintReplyToken(key, conversation, 'ann@example.com')
  t.match(token, /^[a-z2-7]{40}$/)
  t.same(verifyReplyToken(key, token, 'ann@example.com'), { conversation })
  t.same(verifyReplyToken(key, token.toUpperCase(), 'Ann@Example.com'), { conversation })
  t.end()
})

test('a token is worth nothing to another sender, under another key, or with one character changed', (t) => {
  const token = mintReplyToken(key, randomUUID(), 'ann@example.com')
  t.equal(verifyReplyToken(key, token, 'bob@example.com'), null)
  t.equal(verifyReplyToken(randomBytes(32), token, 'ann@example.com'), null)
  for (let index = 0; index < token.length; index += 1) {
    const other = token[index] === 'a' ? 'b' : 'a'
    t.equal(verifyReplyToken(key, token.slice(0, index) + other + token.slice(index + 1), 'ann@example.com'), null)
  }
  t.end()
})

test('junk is no token and no error', (t) => {
  for (const junk of ['', 'a', '1'.repeat(40), 'ä'.repeat(40), 'a'.repeat(41), '='.repeat(40), ' '.repeat(40)]) {
    t.equal(verifyReplyToken(key, junk, 'ann@example.com'), null)
  }
  t.end()
})
