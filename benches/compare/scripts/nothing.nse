description = [[Only returns: what remains is the cost of starting and ending a thread.]]
author = "sonde"
license = "MIT OR Apache-2.0"
categories = {"safe"}

portrule = function(host, port)
  return true
end

action = function(host, port)
end
