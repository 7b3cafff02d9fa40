# Shortcuts; README.md has the plain commands.

# Run the hub with demo data
serve:
    cargo run --release -- serve --demo

# 500 guests race for the same nights
race:
    cargo run --release -p loadtest -- race --url ws://127.0.0.1:8080/ws --guests 500 --rounds 10

# Kill the hub 20 times in the middle of a race; nothing acknowledged may be lost
kill-race:
    scripts/kill-race 20

test:
    scripts/test

# Three hubs over one database, with a door in front
cluster:
    cargo run --release -- cluster --nodes 3 -- --demo

# Look for bytes that the reader of clients' messages does not take well (needs cargo-fuzz and a nightly toolchain)
fuzz seconds="120":
    cd fuzz && cargo run --example seed && cargo +nightly fuzz run message -- -max_total_time={{seconds}}

# Everything CI checks
ci:
    .ci/run
