-- What wrk asks: `wrk … -s datapoints.lua URL -- post RUN` sends datapoints with a value, as
-- MADSci's client does, each with an id of its own; `-- get` reads one of those that seed.py
-- made; `-- live` asks for what costs a server least. Prints a line of JSON when it ends.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

-- All but the characters that a form keeps.
local function encoded(text)
  return (text:gsub("[^%w%-_.]", function(c) return string.format("%%%02X", string.byte(c)) end))
end

local SEEDS = 1000
local what, run
local sent = 0
local before = encoded('{"datapoint_id":"')
local after = encoded(table.concat({
  '","label":"T","ownership_info":{},"data_type":"json",',
  '"data_timestamp":"2026-11-28T16:52:31.354646","value":{"temperature":23.5,"unit":"C"}}',
}))

function init(args)
  what, run = args[1] or "post", args[2] or "0"
  math.randomseed(number)
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
end

local function post(id)
  return wrk.format("POST", "/datapoint", nil, "datapoint=" .. before .. id .. after)
end

function request()
  sent = sent + 1
  if what == "post" then
    return post(string.format("01R%sT%dN%08d", run, number, sent))
  elseif what == "live" then
    return wrk.format("GET", "/health/live")
  end
  return wrk.format("GET", string.format("/datapoint/01SEED%04d", math.random(0, SEEDS - 1)))
end

function done(summary, latency, requests)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format(
    'FIGURES {"per_second": %.1f, "p50_ms": %.3f, "p99_ms": %.3f, "bad": %d}\n',
    summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))
end
