// The session: the token, and signing in again when it has ended. The token is the
// only thing that the page stores, in sessionStorage, so it ends with the tab.

const key = 'modelproviders.token';

export class Session {
  /** @param {(error: Error) => Promise<string>} ask asks the user to sign in, and returns a token */
  constructor(ask) {
    this.ask = ask;
    /** @type {Promise<void> | null} */
    this.renewal = null;
    this.workspace = ''; // whose providers are shown, once that is known
  }

  get token() {
    return sessionStorage.getItem(key) ?? '';
  }

  /** @param {string} token */
  begin(token) {
    sessionStorage.setItem(key, token);
  }

  end() {
    sessionStorage.removeItem(key);
  }

  /**
   * Waits until the user has signed in again. Requests that fail together ask once.
   *
   * @param {Error} error why the token was refused
   */
  renew(error) {
    this.renewal ??= this.ask(error)
      .then((token) => this.begin(token))
      .finally(() => {
        this.renewal = null;
      });
    return this.renewal;
  }
}
