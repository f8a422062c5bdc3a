# Fast answer while working.
check:
    cargo fmt --check
    cargo clippy --all-targets --all-features -- -D warnings

# Everything, as continuous integration runs it.
test:
    scripts/test

# Every benchmark, measured.
bench:
    cargo bench --all-features

# The main job with drawn pictures.
demo:
    cargo run --release -- demo

# Licences, bans and sources of all dependencies, with the program that scripts/test installs.
deny:
    target/tools/bin/cargo-deny --all-features check bans licenses sources

# Known weaknesses in dependencies; asks the advisory database.
advisories:
    target/tools/bin/cargo-deny --all-features check advisories

# The contract that later changes are compared with; made anew with a release, and only then.
golden:
    buf build --exclude-source-info --output tests/golden/contract.binpb

# The long sizes: 200 kills, every byte of files, every flip. Takes about half an hour.
long:
    BULWARK_LONG=1 cargo test --all-features --lib --test it
