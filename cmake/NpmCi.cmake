# cmake -D NPM=npm -D WEB=folder -P NpmCi.cmake
# npm ci, unless node_modules is what package-lock.json asks for already (several build trees share
# it). No install script of a package is run.
file(SHA256 ${WEB}/package-lock.json want)
# Two build trees at once would fetch into one folder: the second waits, and finds the work done. The
# lock goes with this process. A file of its own: file(LOCK) empties what it locks.
file(LOCK ${WEB}/.npm-ci.lock GUARD PROCESS RESULT_VARIABLE problem TIMEOUT 600)
if(problem)
  message(FATAL_ERROR "${WEB}: another build has been fetching packages for ten minutes (${problem})")
endif()
set(stamp ${WEB}/node_modules/.freshet-lock)
if(EXISTS ${stamp})
  file(READ ${stamp} have)
  if(have STREQUAL want)
    return()
  endif()
endif()
execute_process(COMMAND ${NPM} ci --ignore-scripts --no-progress --loglevel=error
  WORKING_DIRECTORY ${WEB} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "npm ci failed (is the network there?)")
endif()
file(WRITE ${stamp} ${want})
