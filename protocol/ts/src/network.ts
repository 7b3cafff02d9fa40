// Whether there is a network, as far as the platform knows. "No" is believed enough to stop trying hard; "yes" promises nothing.

/** Tells whether there is a network: a browser's window has this shape, with `onLine` on its navigator. */
export interface NetworkStatus {
  /** `false` if there is certainly none. */
  readonly onLine: boolean;
  addEventListener(type: 'online' | 'offline', listener: () => void): void;
  removeEventListener(type: 'online' | 'offline', listener: () => void): void;
}

interface BrowserGlobals {
  readonly navigator?: { readonly onLine?: boolean };
  readonly addEventListener?: (type: string, listener: () => void) => void;
  readonly removeEventListener?: (type: string, listener: () => void) => void;
}

/** The browser's word, in windows and workers; nothing elsewhere. */
export function browserNetwork(globals: BrowserGlobals = globalThis as BrowserGlobals): NetworkStatus | undefined {
  const { navigator, addEventListener, removeEventListener } = globals;
  if (typeof navigator?.onLine !== 'boolean' || addEventListener === undefined || removeEventListener === undefined) return undefined;
  return {
    get onLine() {
      return navigator.onLine !== false;
    },
    addEventListener: (type, listener) => addEventListener.call(globals, type, listener),
    removeEventListener: (type, listener) => removeEventListener.call(globals, type, listener),
  };
}
