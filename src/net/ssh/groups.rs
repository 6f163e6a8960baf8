//! Groups of Diffie-Hellman key exchanges with a fixed modulus; the generator of all is 2.

/// RFC 2409 section 6.2, `group1` of SSH: 1024 bits.
pub const OAKLEY_2: &str = "\
    ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
    ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
    ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff\
";

/// RFC 3526 section 3, `group14`.
pub const MODP_2048: &str = "\
    ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
    ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
    ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
    83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
    e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
    15728e5a8aacaa68ffffffffffffffff\
";

/// RFC 3526 section 5, `group16`.
pub const MODP_4096: &str = "\
    ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
    ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
    ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
    83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
    e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
    15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7\
    abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c\
    bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d7\
    88719a10bdba5b2699c327186af4e23c1a946834b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6\
    287c59474e6bc05d99b2964fa090c3a2233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa9\
    93b4ea988d8fddc186ffb7dc90a6c08f4df435c934063199ffffffffffffffff\
";

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;

    /// Pi times 2^`bits`, by Machin's formula.
    fn pi(bits: u64) -> BigUint {
        const GUARD: u64 = 64;
        let unit = BigUint::from(1u8) << (bits + GUARD);
        let arctangent = |inverse: u32| {
            let (mut power, mut plus, mut minus) = (&unit / inverse, BigUint::ZERO, BigUint::ZERO);
            let mut divisor = 1u32;
            while power != BigUint::ZERO {
                let sum = if divisor % 4 == 1 { &mut plus } else { &mut minus };
                *sum += &power / divisor;
                power /= inverse * inverse;
                divisor += 2;
            }
            plus - minus
        };
        (BigUint::from(4u8) * (BigUint::from(4u8) * arctangent(5) - arctangent(239))) >> GUARD
    }

    #[test]
    fn the_moduli_are_those_of_the_formula() {
        // RFC 3526: 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + c).
        for (text, bits, offset) in
            [(OAKLEY_2, 1024, 129_093u32), (MODP_2048, 2048, 124_476), (MODP_4096, 4096, 240_904)]
        {
            let one = BigUint::from(1u8);
            let formula = (&one << bits) - (&one << (bits - 64)) - &one + ((pi(bits - 130) + offset) << 64u32);
            assert_eq!(BigUint::parse_bytes(text.as_bytes(), 16), Some(formula), "{bits} bits");
        }
    }
}
