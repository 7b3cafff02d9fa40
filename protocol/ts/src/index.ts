// What the package offers.

export { LatchkeyClient } from './client.js';
export type { ClientListeners } from './client.js';
export type { CommandArguments, CommandData, CommandName, CommandOptions, CommandReply, Commands } from './commands.js';
export type { ClientState } from './connector.js';
export { LatchkeyError } from './errors.js';
export type { ClientErrorCode, ErrorCode, ErrorFacts } from './errors.js';
export type { NetworkStatus } from './network.js';
export type { ClientOptions, TokenReason, WebSocketConstructor, WebSocketLike } from './options.js';
export type { SearchPage, SearchQuery, SearchWatch } from './search.js';
export type { Subscription } from './subscription.js';
export type {
  BookingTopic,
  EventMessage,
  EventType,
  EventTypeOf,
  PropertyTopic,
  ResetMessage,
  SnapshotMessage,
  SnapshotOf,
  Topic,
  TopicMessage,
  UserTopic,
} from './topics.js';
/** Every type of the wire, as the hub's schema has it. */
export type * as wire from './types.generated.js';
