#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vipcast_fuzz::ndp(bytes));
