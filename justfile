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

# The index beside FAISS, taking turns; 100000000 as an argument needs 20 GiB.
compare *values:
    scripts/compare {{values}}

# Decoding and hashing of JPEG beside the reference: times, and bits apart over many drawn pictures.
compare-hash *what:
    scripts/compare-hash {{what}}

# Searches while entries come and go, the long form.
churn:
    CHURN_ENTRIES=10000000 CHURN_SECONDS=60 cargo bench --bench churn

# How cost and memory grow with size, drawn into docs.
growth:
    cargo bench --bench growth
    cp target/growth.svg docs/growth.svg

# A bank of ten million filled and emptied ten times: its memory comes back.
turnover:
    TURNOVER_ENTRIES=10000000 TURNOVER_ROUNDS=10 cargo bench --bench turnover

# A server under mixed calls for eight hours: its memory stays flat.
soak:
    BULWARK_SOAK_SECONDS=28800 cargo test --release --all-features --test it soak -- --ignored --nocapture

# A start from a snapshot, the long form.
start:
    START_ENTRIES=10000000 cargo bench --all-features --bench start

# Ten million items remembered, and how soon earlier ones are told; needs 6 GiB of disk.
lookback:
    LOOKBACK_ITEMS=10000000 cargo bench --bench lookback

# Fleets of shards on paper: the tables of docs/scale.md.
scale:
    cargo bench --bench scale

# The main job with drawn pictures.
demo:
    cargo run --release -- demo

# Licences, bans and sources of all dependencies, with the program that scripts/test installs.
deny:
    target/tools/bin/cargo-deny --all-features check bans licenses sources

# Known weaknesses in dependencies; asks the advisory database.
advisories:
    target/tools/bin/cargo-deny --all-features check advisories

# What later versions are held to: the contract, a store, a message of every kind. Made with a release, and only then; those of
# earlier releases stay. Add what is printed to the list in `src/io/store/tests/golden.rs`, and the version to that in `tests/it/wire.rs`.
golden:
    buf build --exclude-source-info --output tests/golden/contract.binpb
    cargo test --all-features --lib the_store_of_this_release -- --ignored --nocapture
    cargo test --all-features --test it the_messages_of_this_release -- --ignored

# The long sizes: 200 kills, every byte of files, every flip; 20 backups under load and their restores, 100 restores killed; PostgreSQL killed and cut off 50 times, 100,000 commands and a
# million entries copied on both stores. Takes about an hour.
long:
    BULWARK_LONG=1 BULWARK_QUERIES=1000000 cargo test --release --all-features --lib --test it
