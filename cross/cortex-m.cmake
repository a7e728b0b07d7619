# A bare Cortex-M3 (QEMU's mps2-an385) with newlib and semihosting: the smallest target.
# Packages: gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m3)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
# Debian's compiler brings its own <stdint.h>, which does not say what newlib's <inttypes.h> asks for
# before it defines PRId64 and its like.
set(CMAKE_C_FLAGS_INIT "-D__int64_t_defined=1 -mcpu=cortex-m3 -mthumb -ffunction-sections -fdata-sections")
set(CMAKE_EXE_LINKER_FLAGS_INIT
  "--specs=rdimon.specs -nostartfiles -T ${CMAKE_CURRENT_LIST_DIR}/mps2.ld -Wl,--gc-sections")
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
find_program(FRESHET_QEMU_ARM NAMES qemu-system-arm)
# QEMU's exit status is main()'s, by semihosting.
set(CMAKE_CROSSCOMPILING_EMULATOR
  "${FRESHET_QEMU_ARM};-M;mps2-an385;-nographic;-monitor;none;-serial;none;-semihosting-config;enable=on,target=native;-kernel")
