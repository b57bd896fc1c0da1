--- What a worker process has once: the wake socket, and the light thread that hears of it when queues have events.
--
-- A light thread cannot wait for a descriptor, so libkca's wake socket sends a byte over a unix socket, each queue its own.
-- When there is no such thread, before it is connected and after the worker was told to exit, whoever waits for a
-- receipt looks by itself from time to time.

local PATIENCE_MS = 60000
local A_TURN, A_TURN_S = 1024, 0.003 -- deliveries, and seconds, before others have a turn
local UNTIL_EXIT_S = 1e6
local MARKS = 255
local EXITING = MARKS -- the byte that comes when the worker is told to exit

return function(core)
  local worker = {
    systems = {}, -- all that are started
    hears = false, -- the thread is there
    busy = 0, -- light threads that need it: processors, and publishes that wait
  }
  local wake_socket
  local hearing, telling -- the thread, and that it is calling a listener
  local listeners = {} -- by mark

  --- Calls the listener when the queue has events; it must not yield for long.
  function worker.watch(queue, listener)
    local mark = 1
    while listeners[mark] do
      mark = mark + 1
    end
    if mark >= EXITING then
      return nil, ("there is no room for more than %d queues"):format(EXITING - 1)
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

  --- Whether it is the listening thread that calls: while it waits, nobody hears of anything.
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

  local function is_over()
    return ngx.worker.exiting() and worker.busy == 0
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

  --- When the worker is told to exit, consumers stop. Whoever sees it first says so: a timer that nobody could run tells
  -- nobody.
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
      ngx.log(ngx.ERR, "kca: no wake-ups, receipts and messages come slowly: ", why)
      return
    end
    worker.hears, hearing = true, coroutine.running()
    while not is_over() do
      local bytes, err = socket:receiveany(4096)
      worker.leave()
      if bytes then
        tell(bytes)
      elseif err ~= "timeout" then
        break
      end
    end
    worker.hears = false
    socket:close()
  end

  --- The thread looks whether it is needed any more.
  function worker.nudge()
    if wake_socket and is_over() then
      core.kca_wake_socket_wake(wake_socket, EXITING)
    end
  end

  --- Fires when the worker is told to exit. A timer that nobody ended in its time is set again.
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

  --- There was nothing to do: others have had their turn.
  function worker.begin_turn()
    turn, taken, began_s = turn + 1, 0, os.clock()
  end

  --- After each delivery: when the turn is over, others have theirs.
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
