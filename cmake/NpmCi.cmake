# cmake -D NPM=npm -D WEB=folder -P NpmCi.cmake
# npm ci, unless node_modules is what package-lock.json asks for already (several build trees share
# it). No install script of a package is run.
file(SHA256 ${WEB}/package-lock.json want)
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
