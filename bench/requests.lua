-- What wrk sends, one kind of request a run: wrk -s requests.lua <address> -- <kind> <first> <agents> …
-- Who asks is told by a number that goes on from <first>: another agent, client, key or token each time.
-- Secrets are made of these numbers too (bench/rows.py).

local CLIENTS, PARTIES, KEYS = 50, 200, 100
local CSRF = ("c"):rep(32)
local kind, number, agents, path, cookie
local cookies = {} -- of those who are signed in at a peer
local won = {} -- tokens of pops that wait to be redeemed
bad, worst = 0, "" -- global: read when all is over

local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end

local function base64(text)
  local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local encoded = text:gsub("..?.?", function(three)
    local a, b, c = three:byte(1, 3)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    local out = ""
    for place = 3, 0, -1 do
      local digit = math.floor(bits / 64 ^ place) % 64 + 1
      out = out .. letters:sub(digit, digit)
    end
    return out:sub(1, #three + 1) .. ("="):rep(3 - #three)
  end)
  return encoded
end

local function from_outside(headers) -- as the proxy in front passes it on
  headers["Host"] = "portal.test"
  headers["X-Forwarded-For"] = "203.0.113.7"
  headers["X-Forwarded-Proto"] = "https"
  return headers
end

local function as_json(headers)
  headers["Content-Type"] = "application/json"
  return from_outside(headers)
end

local function as_form(headers)
  headers["Content-Type"] = "application/x-www-form-urlencoded"
  return from_outside(headers)
end

local shown = {} -- by relying parties: made once, for it is not what is measured
local function credentials(party)
  shown[party] = shown[party] or "Basic " .. base64("rp_bench_" .. party .. ":rs_bench_" .. party)
  return shown[party]
end

local function redeem(token, client)
  return wrk.format("POST", "/api/v1/tokens/redeem", as_json({ Authorization = credentials(client) }),
    '{"token": "' .. token .. '"}')
end

local kinds = {}

function kinds.floor(n)
  return wrk.format("GET", "/floor", { Cookie = "session=as_bench_" .. n % agents + 1 })
end

function kinds.bare()
  return wrk.format("GET", "/bare")
end

function kinds.pop(n)
  local query = "?group=9000&did=%2B18005550100&cid=%2B12125550142&call_id=" .. n
  return wrk.format("GET", "/sso/group/large" .. n % CLIENTS + 1 .. query,
    from_outside({ Cookie = "__Host-agent=as_bench_" .. n % agents + 1 }))
end

function kinds.redeem(n)
  return redeem("lt_bench_" .. n, n % CLIENTS + 1)
end

function kinds.pop_and_redeem(n)
  local token = table.remove(won)
  if token then
    return redeem(token.secret, token.client)
  end
  return kinds.pop(n)
end

function kinds.sso_api(n)
  return wrk.format("POST", "/api/sso/large" .. n % CLIENTS + 1,
    as_json({ ["Platform-Key"] = "pk_bench_" .. n % KEYS + 1 }),
    '{"username": "agent' .. n % agents + 1 .. '", "fullname": "Carla Costa", "department_id": "1"}')
end

function kinds.sign_in(n)
  return wrk.format("POST", "/sso/sign-in?group=9000",
    as_form({ Cookie = "__Host-csrf=" .. CSRF, Origin = "https://portal.test" }),
    "csrfmiddlewaretoken=" .. CSRF .. "&username=newcomer" .. n % agents + 1 .. "&password=correct+horse+battery")
end

function kinds.token(n)
  local party = n % PARTIES + 1
  return wrk.format("POST", "/oauth/token",
    as_form({ Authorization = credentials(party) }),
    "grant_type=authorization_code&redirect_uri=https%3A%2F%2Flarge.example%2Fcallback&code_verifier="
      .. ("v"):rep(43) .. "&code=oc_bench_" .. n)
end

function kinds.page()
  return wrk.format("GET", path, from_outside({ Cookie = cookie }))
end

function kinds.peer(n)
  return wrk.format("GET", path, { Cookie = cookie .. "=" .. cookies[n % #cookies + 1] })
end

local expected = {
  floor = 302, bare = 302, pop = 303, redeem = 200, sso_api = 200, sign_in = 303, token = 200, page = 200,
}

local function aim_of(headers) -- where an answer leads; servers write the name either way
  return headers["location"] or headers["Location"] or ""
end

local function is_good(status, headers, body)
  if kind == "pop" or kind == "pop_and_redeem" and status == 303 then
    local client, secret = aim_of(headers):match("^https://large(%d+)%.example/login%?token=(.+)$")
    if kind == "pop_and_redeem" and secret then
      won[#won + 1] = { client = client, secret = secret }
    end
    return secret ~= nil
  end
  if kind == "peer" then -- 303 or 302
    return aim_of(headers):find("^https://large%.example/callback%?.*code=") ~= nil
  end
  return status == (expected[kind] or 200)
end

function init(args)
  kind, number, agents = args[1], tonumber(args[2]), tonumber(args[3])
  path, cookie = args[4], args[5] -- of a page; of a peer the name of the cookie, and a file with its values
  if args[6] then
    for line in io.lines(args[6]) do
      cookies[#cookies + 1] = line
    end
  end
end

function request()
  number = number + 1
  return kinds[kind](number - 1)
end

function response(status, headers, body)
  if not is_good(status, headers, body) then
    bad = bad + 1
    worst = worst == "" and status .. " " .. aim_of(headers) .. " " .. body:sub(1, 600):gsub("%s+", " ") or worst
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'MEASURED {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "bad": %d}\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    threads[1]:get("bad") + errors.connect + errors.read + errors.write + errors.timeout))
  io.write("WORST " .. threads[1]:get("worst") .. "\n")
end
