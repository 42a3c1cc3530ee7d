// oidc-client-ts in a page, with the settings that the test serves. The test presses the buttons: it calls `manager`.
const at = (path) => `${location.origin}${path}`;
const manager = fetch("/settings.json").then((answer) => answer.json()).then((settings) => new oidc.UserManager({
  ...settings,
  redirect_uri: at("/oidc/callback/"),
  silent_redirect_uri: at("/oidc/silent/"),
  post_logout_redirect_uri: at("/logged-out/"),
  scope: "openid profile email groups call",
  loadUserInfo: true,
  automaticSilentRenew: false,
}));

if (location.pathname === "/oidc/silent/") {
  manager.then((it) => it.signinSilentCallback());
}
