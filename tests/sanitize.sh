#!/usr/bin/env bash
# The tests and a while of noise under the address and undefined-behaviour sanitizers, and the proof
# that the sanitizers see: two faults, put into a scratch copy on purpose, must be reported.
#
#     tests/sanitize.sh [pytest's arguments]    # PYTHON=python3; of noise: MINUTES=1, SEED=
#
# The extension goes to build/, beside the one that is installed. The interpreter itself is not
# built for the sanitizers, so they are preloaded; and the C++ library with them, or the first
# exception in somebody's C++ extension (matplotlib throws some) ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(command -v "${PYTHON:-python3}")
[[ $python == /* ]] || python=$PWD/$python
library=$("${CC:-gcc}" -print-file-name=libasan.so)
[[ -e $library ]] || { echo "${CC:-gcc} has no libasan.so: install its sanitizers"; exit 1; }
lib=build/sanitize-address-undefined/lib
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

build() { PRICETIME_SANITIZE=address,undefined "$python" setup.py -q build > "$scratch/log" 2>&1 ||
    { cat "$scratch/log"; exit 1; }; }
sanitized() {
    # Tests of a full memory ask for more than there is: that is an answer, not a finding.
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$library libstdc++.so.6" PYTHONMALLOC=malloc PYTHONPATH=$PWD/$lib "$@"
}

echo "building with sanitizers"
build
file=$(sanitized "$python" -c 'from pricetime import _book; print(_book.__file__)')
[[ $file == "$PWD/$lib"/* ]] || { echo "not the sanitized build: $file"; exit 1; }

# Not those of logs, venues and tools: they see the kernel through Python alone, and would take an
# hour. -s, since pytest would swallow a report.
around=("--ignore=tests/kafka")
for name in async_venue audit boundaries broker core corruption demo demo_flow demo_kafka \
    desk disk export history kills log log_tool market replay_cli replay_tapes run runner \
    simulation sqlite_log supervisor trim venue venue_events verify; do
    around+=("--ignore=tests/test_$name.py")
done
sanitized "$python" -m pytest -q -s -p no:cacheprovider "${around[@]}" "$@" < /dev/null
sanitized "$python" tests/noise.py --minutes "${MINUTES:-1}" ${SEED:+--seed "$SEED"}

echo "putting faults into a copy"
tar --exclude=./build --exclude=./.git --exclude=./.venv --exclude='*.so' -cf - . |
    tar -C "$scratch" -xf -
cd "$scratch"

# seed FILE OLD NEW: the text stands there once, or another place must be found for the fault.
seed() { "$python" - "$@" << 'EOF'
import pathlib, sys
path, old, new = sys.argv[1:]
text = pathlib.Path(path).read_text("utf-8")
assert text.count(old) == 1, f"{path} has {text.count(old)} times: {old}"
pathlib.Path(path).write_text(text.replace(old, new), "utf-8")
EOF
}
seed engine/_book.pyx 'np.empty(items * self.size + LINE, np.uint8)' \
    'np.empty(items * self.size // 2 + LINE, np.uint8)'
seed engine/due.pxd '.price * SECOND' '.price * SECOND * 4'
build

reported() { # NAME PATTERN CODE
    if sanitized "$python" -c "import pricetime as pt; book = pt.Book(); $3" > "$scratch/log" 2>&1
    then echo "$1: went unseen"; exit 1; fi
    grep -qE "$2" "$scratch/log" || { cat "$scratch/log"; echo "$1: not reported as such"; exit 1; }
    echo "$1: reported"
}
reported "an overrun of half an array" 'AddressSanitizer: heap-buffer-overflow' \
    'print([book.limit(1, price, 5) for price in range(500)])'
reported "an overflow of a time" 'engine/due.pxd:.*signed integer overflow' \
    'book.limit(1, 100, 5, tif=pt.TIF.GTD, expires=2**32 - 1)'
echo "the sanitizers see, and had nothing to say of the tree"
