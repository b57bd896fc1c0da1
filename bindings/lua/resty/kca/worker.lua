--- What each worker process has once: the wake socket, and the listening thread, a light thread that hears from the
-- socket when queues have events.
--
-- A light thread cannot wait for a descriptor, so libkca's wake socket sends bytes over a unix socket, another byte for
-- each queue. While there is no listening thread (before it is connected, and after the worker was told to exit), a
-- publish that waits for its receipt looks by itself from time to time.
--
-- A worker that is told to exit goes on until its light threads have ended. The listening thread is the last: it also
-- waits until all accepted messages are answered. When worker_shutdown_timeout is over, nginx closes all connections,
-- the wake socket's too: so the thread hears of the time's end, which Lua cannot ask for.

local PATIENCE_MS = 60000
local LOOK_MS = 20 -- between looks whether the last messages are answered
local A_TURN, A_TURN_S = 1024, 0.003 -- deliveries, and seconds, before other light threads have a turn
local UNTIL_EXIT_S = 1e6
local MARKS = 255
local EXITING = MARKS -- the byte that comes when the worker is told to exit

return function(core)
  local worker = {
    systems = {}, -- all that are started
    hears = false, -- the listening thread runs
    is_cut = false, -- worker_shutdown_timeout was over
    busy = 0, -- light threads that need it: processors, and publishes that wait
  }
  local wake_socket
  local hearing, telling -- the listening thread; whether it is calling a listener
  local listeners = {} -- by mark

  --- Calls the listener when the queue has events; it must not yield for long.
  function worker.watch(queue, listener)
    local mark = 1
    while listeners[mark] do
      mark = mark + 1
    end
    if mark >= EXITING then
      return nil, ("a worker can watch at most %d queues"):format(EXITING - 1)
    end
    local ok, err = core.kca_wake_socket_watch(wake_socket, queue.handle, mark)
    if not ok then
      return nil, err.text
    end
    listeners[mark] = listener
    return mark
  end

  function worker.forget(mark)
    listeners[mark] = nil
  end

  --- Whether the caller runs in the listening thread, which must not wait: meanwhile nobody would be woken.
  function worker.is_telling()
    return telling and coroutine.running() == hearing
  end

  local function tell(bytes)
    local told = {}
    telling = true
    for i = 1, #bytes do
      local mark = bytes:byte(i)
      if listeners[mark] and not told[mark] then
        told[mark] = true
        listeners[mark]()
      end
    end
    telling = false
  end

  local function is_idle_and_exiting()
    return ngx.worker.exiting() and worker.busy == 0
  end

  local function is_all_answered()
    for system in pairs(worker.systems) do
      if not system:is_all_answered() then
        return false
      end
    end
    return true
  end

  local function connect()
    local socket = ngx.socket.tcp()
    socket:settimeouts(1000, 1000, PATIENCE_MS)
    local ok, err = socket:connect("unix:" .. core.kca_wake_socket_path(wake_socket))
    if not ok then
      return nil, err
    end
    local accepted, failure = core.kca_wake_socket_accept(wake_socket)
    if not accepted then
      socket:close()
      return nil, failure.text
    end
    return socket
  end

  --- Stops the consumers once the worker is told to exit. Called wherever that may be seen first: nginx may have
  -- dropped the timer that waits for it.
  function worker.leave()
    if worker.has_left or not ngx.worker.exiting() then
      return
    end
    worker.has_left = true
    for system in pairs(worker.systems) do
      system:leave()
    end
  end

  local function hear()
    local socket, why = connect()
    if not socket then
      ngx.log(ngx.ERR, "kca: the wake socket is not connected, so receipts and messages come slowly: ", why)
      return
    end
    worker.hears, hearing = true, coroutine.running()
    while not (is_idle_and_exiting() and is_all_answered()) do
      socket:settimeout(is_idle_and_exiting() and LOOK_MS or PATIENCE_MS)
      local bytes, err = socket:receiveany(4096)
      worker.leave()
      if bytes then
        tell(bytes)
      elseif err ~= "timeout" then
        worker.is_cut = ngx.worker.exiting()
        break
      end
    end
    worker.hears = false
    socket:close()
  end

  --- Makes the listening thread look whether it is still needed.
  function worker.nudge()
    if wake_socket and is_idle_and_exiting() then
      core.kca_wake_socket_wake(wake_socket, EXITING)
    end
  end

  --- The function of a timer that nginx ends early, when the worker is told to exit. If its time is over, it is set
  -- again.
  local function wait_for_exit(premature)
    if premature then
      worker.leave()
      worker.nudge()
    else
      assert(ngx.timer.at(UNTIL_EXIT_S, wait_for_exit))
    end
  end

  --- Once in each worker.
  function worker.begin()
    if wake_socket then
      return true
    end
    local ok, made = core.kca_wake_socket_new()
    if not ok then
      return nil, made.text
    end
    wake_socket = made
    assert(ngx.timer.at(0, hear))
    assert(ngx.timer.at(UNTIL_EXIT_S, wait_for_exit))
    return true
  end

  function worker.finish()
    if wake_socket then
      core.kca_wake_socket_free(wake_socket)
      wake_socket = nil
    end
  end

  -- ---- turns: of all processors together, so that requests have theirs ----
  --
  -- By the processor time of this process. nginx' own time must not be brought up to date here: timers that are set
  -- meanwhile would then be due at once, and nginx would look at nothing else.

  local turn, taken, began_s = 0, 0, 0

  --- Begins a turn; called after a wait, during which others have had theirs.
  function worker.begin_turn()
    turn, taken, began_s = turn + 1, 0, os.clock()
  end

  --- Called after each delivery: when the turn is over, lets others have theirs.
  function worker.end_turn()
    taken = taken + 1
    if taken < A_TURN and os.clock() - began_s < A_TURN_S then
      return
    end
    local mine = turn
    ngx.sleep(0.001)
    if turn == mine then
      worker.begin_turn()
    end
  end

  return worker
end
