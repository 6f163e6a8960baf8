//! Classic BPF: instructions, the kernel's verifier, an interpreter.
//!
//! A [`Program`] is checked once, when it is made, by the rules the kernel applies to a socket filter; what holds a program may
//! run it or attach it without asking again. Opcodes are those of `bpf(4)` and of Linux' `filter.txt`.

mod interpret;
pub mod opcode;
mod verify;

#[cfg(test)]
mod tests;

use std::fmt;

pub(super) use interpret::calculate;
pub use verify::VerifyError;

/// Instructions a program may have: the kernel's `BPF_MAXINSNS`.
pub const MOST_INSTRUCTIONS: usize = 4096;
/// What an accepting program returns, in bytes to keep: more than any packet is long.
pub const KEEP: u32 = 0x4_0000;

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What to do; see [`opcode`].
    pub code: u16,
    /// Instructions to skip when a condition holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The constant: an operand, an offset, a jump.
    pub k: u32,
}

impl Instruction {
    /// One that does not branch.
    pub fn plain(code: u16, k: u32) -> Instruction {
        Instruction { code, jt: 0, jf: 0, k }
    }
}

impl fmt::Display for Instruction {
    /// As `tcpdump -ddd` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.code, self.jt, self.jf, self.k)
    }
}

/// A program that passed the verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// Checks `instructions` by the kernel's rules.
    pub fn verify(instructions: Vec<Instruction>) -> Result<Program, VerifyError> {
        verify::check(&instructions)?;
        Ok(Program(instructions))
    }

    /// Keeps every packet whole.
    pub fn accept_all() -> Program {
        Program(vec![Instruction::plain(opcode::RET_K, KEEP)])
    }

    /// Keeps none.
    pub fn reject_all() -> Program {
        Program(vec![Instruction::plain(opcode::RET_K, 0)])
    }

    /// What to attach to a socket.
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }

    /// Bytes of the packet to keep; 0 rejects it. `bytes` are those captured, `wire_len` is how many there were: what `len` and
    /// a length in the program mean. Reading past `bytes` rejects.
    pub fn run(&self, bytes: &[u8], wire_len: u32) -> u32 {
        interpret::run(&self.0, bytes, wire_len)
    }
}

impl fmt::Display for Program {
    /// As `tcpdump -ddd` writes it: the number of instructions, then one a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0.len())?;
        self.0.iter().try_for_each(|one| writeln!(f, "{one}"))
    }
}
