-- Asks about one ad after the other: wrk ... -- FILE POSITION KEY, with a body in each line of the file.
local requests, at = {}, 0

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. args[3]
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, nil, line)
  end
  at = tonumber(args[2])
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local lost = summary.errors
  io.write(string.format(
    '{"answered": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    lost.connect + lost.read + lost.write + lost.status + lost.timeout
  ))
end
