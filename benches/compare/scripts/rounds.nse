local nmap = require "nmap"

description = [[Asks an echo server 100 times, each time after the answer to the last, and prints how long that took.]]
author = "sonde"
license = "MIT OR Apache-2.0"
categories = {"safe"}

portrule = function(host, port)
  return true
end

action = function(host, port)
  local started = nmap.clock()
  local socket = nmap.new_socket()
  assert(socket:connect(host, port))
  local answers = 0
  for round = 1, 100 do
    assert(socket:send("ping"))
    local status, answer = socket:receive_bytes(4)
    if status and #answer == 4 then
      answers = answers + 1
    end
  end
  socket:close()
  return string.format("%d in %.4f s", answers, nmap.clock() - started)
end
