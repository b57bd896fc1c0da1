#error "a pure room includes librdkafka: see docs/architecture.md"
