<?php
// A CRM that receives agents from the portal, in one file. Start it with `examples/run php`.
//
// It shows the four ways in which a client company may receive its agents; choose one for your own CRM:
//
//   redirect    GET  /redirect/login?token=…   the token is redeemed, once, over HTTPS with the CRM's secret
//   form post   POST /form-post/login          the same, with the token in the body
//   signed      POST /signed/login             everything is in a signed token: nothing to redeem
//   oidc        GET  /oidc/start               the portal asks the CRM to begin an OpenID Connect sign-in
//
// Over https add cookie_secure to the session. Needs PHP 8.1 with openssl, and nothing else. Tokens are checked as RS256, which relying parties have by default.

declare(strict_types=1);

define('PORTAL', getenv('PORTAL_URL'));
define('HERE', 'http://127.0.0.1:' . (getenv('CRM_PORT') ?: '18600'));
const CLOCKS_DIFFER = 30; // seconds

/** The agent is not let in; the text is for the log of the CRM, not for the page. */
class NotAccepted extends Exception {}

/** The id and the secret that the portal's operator gave this CRM. */
function credentials(string $way): array
{
    return [getenv("CRM_{$way}_ID"), getenv("CRM_{$way}_SECRET") ?: ''];
}

function random(): string
{
    return base64url(random_bytes(32));
}

// --- redirect, form post: redeem the token ---------------------------------------------------------------------------

/** Exchange the token for what it says. It works once, for a minute, and for this CRM alone. */
function redeem(string $token, string $way): array
{
    return call(PORTAL . '/api/v1/tokens/redeem', json_encode(['token' => $token]), 'application/json', $way);
}

// --- signed: check the token -----------------------------------------------------------------------------------------

/** What a signed token of this type says, if the portal signed it, for this CRM, just now. */
function verified(string $token, string $typ, string $audience, ?string $nonce = null): array
{
    $parts = explode('.', $token);
    if (count($parts) !== 3) {
        throw new NotAccepted('not a token');
    }
    [$header, $claims] = array_map(fn ($part) => json_decode(unbase64url($part), true), array_slice($parts, 0, 2));
    if (($header['typ'] ?? '') !== $typ) {
        throw new NotAccepted('a token for something else');
    }
    $keys = json_decode(file_get_contents(PORTAL . '/.well-known/jwks.json'), true)['keys']; // keep for some minutes
    $fitting = array_filter($keys, fn ($key) => $key['kid'] === ($header['kid'] ?? '') && $key['alg'] === 'RS256');
    if (!$fitting || ($header['alg'] ?? '') !== 'RS256') { // never what the token alone asks for
        throw new NotAccepted('an unknown key');
    }
    $signature = unbase64url($parts[2]);
    if (openssl_verify("$parts[0].$parts[1]", $signature, pem_of(reset($fitting)), OPENSSL_ALGO_SHA256) !== 1) {
        throw new NotAccepted('a wrong signature');
    }
    if ($claims['iss'] !== PORTAL || !in_array($audience, (array) $claims['aud'], true)) {
        throw new NotAccepted('another issuer or audience');
    }
    if (time() < $claims['iat'] - CLOCKS_DIFFER || time() >= $claims['exp'] + CLOCKS_DIFFER) {
        throw new NotAccepted('expired');
    }
    if ($nonce !== null && !hash_equals($nonce, $claims['nonce'] ?? '')) {
        throw new NotAccepted("another sign-in's token");
    }
    return $claims;
}

/** Refuse a signed token that was used already: nobody but the CRM can know. */
function used_once(array $claims): array
{
    $folder = sys_get_temp_dir() . '/crm-seen'; // a real CRM has a database with a unique column
    is_dir($folder) || mkdir($folder, 0700);
    foreach (glob("$folder/*") as $file) {
        filemtime($file) < time() - 600 && unlink($file);
    }
    if (!@fopen("$folder/" . hash('sha256', $claims['jti']), 'x')) {
        throw new NotAccepted('used already');
    }
    return $claims;
}

/** A public RSA key (RFC 7517) as PEM, which openssl reads: its two numbers, wrapped in ASN.1. */
function pem_of(array $jwk): string
{
    $wrap = function (int $tag, string $inner): string {
        $bytes = ltrim(pack('N', strlen($inner)), "\0");
        $length = strlen($inner) < 128 ? chr(strlen($inner)) : chr(0x80 | strlen($bytes)) . $bytes;
        return chr($tag) . $length . $inner;
    };
    $number = fn (string $part): string => $wrap(0x02, "\0" . unbase64url($part));
    $key = $wrap(0x30, $number($jwk['n']) . $number($jwk['e']));
    $rsa = hex2bin('300d06092a864886f70d0101010500'); // "what follows is an RSA key"
    $der = $wrap(0x30, $rsa . $wrap(0x03, "\0" . $key));
    return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
}

// --- oidc: an ordinary code flow -------------------------------------------------------------------------------------

/** The address at which to sign in. `login_hint` says which call it is about; handed on as it came. */
function begin(array $asked): string
{
    if (($asked['iss'] ?? '') !== PORTAL) {
        throw new NotAccepted('another issuer asks');
    }
    [$state, $verifier, $nonce] = [random(), random(), random()];
    $_SESSION['begun'] = array_slice($_SESSION['begun'] ?? [], -20, null, true); // two calls may be on their way at once
    $_SESSION['begun'][$state] = ['verifier' => $verifier, 'nonce' => $nonce];
    return PORTAL . '/oauth/authorize?' . http_build_query([
        'response_type' => 'code',
        'client_id' => credentials('OIDC')[0],
        'redirect_uri' => HERE . '/oidc/callback',
        'scope' => 'openid profile email groups call',
        'state' => $state,
        'nonce' => $nonce,
        'code_challenge' => base64url(hash('sha256', $verifier, true)),
        'code_challenge_method' => 'S256',
        'login_hint' => $asked['login_hint'] ?? '',
    ]);
}

/** Exchange the code for what it says about the agent. */
function finish(array $answer): array
{
    $begun = $_SESSION['begun'][$answer['state'] ?? ''] ?? null;
    unset($_SESSION['begun'][$answer['state'] ?? '']);
    if ($begun === null || ($answer['iss'] ?? '') !== PORTAL) {
        throw new NotAccepted('not begun here, by this browser');
    }
    if (!isset($answer['code'])) {
        throw new NotAccepted($answer['error'] ?? 'no code');
    }
    $form = http_build_query([
        'grant_type' => 'authorization_code',
        'code' => $answer['code'],
        'redirect_uri' => HERE . '/oidc/callback',
        'code_verifier' => $begun['verifier'],
    ]);
    $tokens = call(PORTAL . '/oauth/token', $form, 'application/x-www-form-urlencoded', 'OIDC');
    return verified($tokens['id_token'], 'JWT', credentials('OIDC')[0], $begun['nonce']);
}

/** POST to the portal with this CRM's id and secret. Throws NotAccepted when it refuses. */
function call(string $url, string $body, string $type, string $way): array
{
    $basic = base64_encode(implode(':', credentials($way)));
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => ["Content-Type: $type", "Authorization: Basic $basic"],
        'content' => $body,
        'timeout' => 5,
        'ignore_errors' => true,
    ]]);
    $answer = @file_get_contents($url, false, $context);
    if ($answer === false || !str_contains($http_response_header[0], ' 200 ')) {
        throw new NotAccepted(($http_response_header[0] ?? 'no answer') . ': ' . substr((string) $answer, 0, 300));
    }
    return json_decode($answer, true);
}

function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function unbase64url(string $text): string
{
    return base64_decode(strtr($text, '-_', '+/')) ?: '';
}

// --- The CRM's own pages ---------------------------------------------------------------------------------------------

/** Start a session for the agent and go on without the token in the address. */
function let_in(callable $login): void
{
    $claims = $login();
    session_regenerate_id(true);
    $_SESSION['agent'] = $claims;
    go_to('/');
}

function go_to(string $address): void
{
    header("Location: $address", true, 303);
}

function page(int $status, string $body): void
{
    http_response_code($status);
    echo "<!doctype html><html lang=en><meta charset=utf-8><title>Your CRM</title>$body</html>";
}

function show(?array $claims): void
{
    if ($claims === null) {
        page(200, 'Nobody is signed in. Open a call at the portal.');
        return;
    }
    $name = htmlspecialchars($claims['fullname'] ?? $claims['name'] ?? $claims['sub']);
    $told = htmlspecialchars(json_encode($claims, JSON_PRETTY_PRINT | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES));
    page(200, "<h1>Welcome, $name</h1><pre>$told</pre>");
}

/** A field of the request, if it is text (PHP makes lists of `token[]`). */
function text(array $fields, string $name): string
{
    return is_string($fields[$name] ?? null) ? $fields[$name] : '';
}

/** Refuse forms from elsewhere: or any page could sign its visitor in as somebody else. */
function from_portal(): void
{
    if (($_SERVER['HTTP_ORIGIN'] ?? '') !== PORTAL) {
        throw new NotAccepted('not from the portal');
    }
}

header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
session_start(['name' => 'crm_session', 'cookie_httponly' => true, 'cookie_samesite' => 'Lax', 'use_strict_mode' => true]);
try {
    $_SERVER['REQUEST_METHOD'] === 'POST' && from_portal();
    match ($_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
        'GET /' => show($_SESSION['agent'] ?? null),
        'GET /redirect/login' => let_in(fn () => redeem(text($_GET, 'token'), 'REDIRECT')),
        'POST /form-post/login' => let_in(fn () => redeem(text($_POST, 'token'), 'FORM_POST')),
        'POST /signed/login' => let_in(fn () => used_once(verified(text($_POST, 'id_token'), 'login+jwt', credentials('SIGNED')[0]))),
        'GET /oidc/start' => go_to(begin(array_filter($_GET, 'is_string'))),
        'GET /oidc/callback' => let_in(fn () => finish(array_filter($_GET, 'is_string'))),
        default => page(404, 'Nothing here.'),
    };
} catch (NotAccepted $reason) {
    error_log('refused: ' . $reason->getMessage());
    page(403, 'You could not be signed in. Please open the call again.');
}
