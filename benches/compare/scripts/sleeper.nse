local stdnse = require "stdnse"

description = [[Sleeps, and says so when it is done.]]
author = "sonde"
license = "MIT OR Apache-2.0"
categories = {"safe"}

portrule = function(host, port)
  return true
end

action = function(host, port)
  stdnse.sleep(tonumber(stdnse.get_script_args("sleeper.time") or 1))
  return "slept"
end
