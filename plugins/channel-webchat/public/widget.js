/**
 * The web chat of Throughline as a web component. No dependencies, no build step, no inline script or style.
 *
 *   <script type="module" src="https://support.example/chat/widget.js"></script>
 *   <throughline-chat channel="webchat"></throughline-chat>
 *
 * Attributes and events are described in the README of @throughline/channel-webchat.
 */
import { ThroughlineChat } from './widget/element.js'

if (!customElements.get('throughline-chat')) customElements.define('throughline-chat', ThroughlineChat)

export { ThroughlineChat }
