import type { MessageView } from './contract.js'
import type { MessageRow } from './message-read-store.js'

export function messageView(row: MessageRow, fileUrl: (key: string, name?: string) => string): MessageView {
  const { authorKind, authorId, authorName, attachments, losses, place: _place, ...rest } = row
  return {
    ...rest,
    author: { kind: authorKind, id: authorId, name: authorName },
    losses: losses ?? [],
    attachments: attachments.map(({ fileKey, ...one }) => ({
      ...one,
      url: fileKey === null ? null : fileUrl(fileKey, one.name ?? undefined),
    })),
  }
}
