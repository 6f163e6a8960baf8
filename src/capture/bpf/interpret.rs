//! Runs a program over a packet, with the answers libpcap's interpreter gives.

use super::Instruction;
use super::opcode::{
    ADD, AND, CELLS, DIV, FROM_X, JA, JEQ, JGE, JGT, JSET, LD_B_ABS, LD_B_IND, LD_H_ABS, LD_H_IND, LD_IMM, LD_LEN,
    LD_MEM, LD_W_ABS, LD_W_IND, LDX_IMM, LDX_LEN, LDX_MEM, LDX_MSH, LSH, MOD, MUL, NEG, OR, RET_A, RET_K, RSH, ST, STX,
    SUB, TAX, TXA, XOR,
};

struct Machine<'a> {
    bytes: &'a [u8],
    wire_len: u32,
    a: u32,
    x: u32,
    cells: [u32; CELLS as usize],
}

/// What one instruction led to.
enum Step {
    Next,
    Skip(u32),
    Return(u32),
}

/// A verified program ends: jumps go forward, and the last instruction returns.
pub(super) fn run(instructions: &[Instruction], bytes: &[u8], wire_len: u32) -> u32 {
    let mut machine = Machine { bytes, wire_len, a: 0, x: 0, cells: [0; CELLS as usize] };
    let mut at = 0usize;
    while let Some(one) = instructions.get(at) {
        at += 1;
        // What cannot be read rejects the packet.
        match machine.step(*one).unwrap_or(Step::Return(0)) {
            Step::Next => {}
            Step::Skip(by) => at += by as usize,
            Step::Return(keep) => return keep,
        }
    }
    0
}

impl Machine<'_> {
    fn step(&mut self, one: Instruction) -> Option<Step> {
        let k = one.k;
        match one.code {
            LD_W_ABS => self.a = self.word(0, k)?,
            LD_H_ABS => self.a = self.half(0, k)?,
            LD_B_ABS => self.a = self.byte(0, k)?,
            LD_W_IND => self.a = self.word(self.x, k)?,
            LD_H_IND => self.a = self.half(self.x, k)?,
            LD_B_IND => self.a = self.byte(self.x, k)?,
            LD_IMM => self.a = k,
            LD_LEN => self.a = self.wire_len,
            LD_MEM => self.a = *self.cells.get(k as usize)?,
            LDX_IMM => self.x = k,
            LDX_LEN => self.x = self.wire_len,
            LDX_MEM => self.x = *self.cells.get(k as usize)?,
            LDX_MSH => self.x = (self.byte(0, k)? & 15) << 2,
            ST => *self.cells.get_mut(k as usize)? = self.a,
            STX => *self.cells.get_mut(k as usize)? = self.x,
            TAX => self.x = self.a,
            TXA => self.a = self.x,
            NEG => self.a = self.a.wrapping_neg(),
            JA => return Some(Step::Skip(k)),
            RET_K => return Some(Step::Return(k)),
            RET_A => return Some(Step::Return(self.a)),
            code => return self.with_operand(code & !FROM_X, if code & FROM_X == 0 { k } else { self.x }, one),
        }
        Some(Step::Next)
    }

    fn with_operand(&mut self, code: u16, operand: u32, one: Instruction) -> Option<Step> {
        let holds = match code {
            JEQ => self.a == operand,
            JGT => self.a > operand,
            JGE => self.a >= operand,
            JSET => self.a & operand != 0,
            _ => {
                self.a = calculate(code, self.a, operand)?;
                return Some(Step::Next);
            }
        };
        Some(Step::Skip(u32::from(if holds { one.jt } else { one.jf })))
    }

    fn read(&self, x: u32, k: u32, size: usize) -> Option<&[u8]> {
        // No wrapping: an offset past 32 bits is past the packet.
        let from = x.checked_add(k)? as usize;
        self.bytes.get(from..from.checked_add(size)?)
    }

    fn word(&self, x: u32, k: u32) -> Option<u32> {
        Some(u32::from_be_bytes(self.read(x, k, 4)?.try_into().ok()?))
    }

    fn half(&self, x: u32, k: u32) -> Option<u32> {
        Some(u32::from(u16::from_be_bytes(self.read(x, k, 2)?.try_into().ok()?)))
    }

    fn byte(&self, x: u32, k: u32) -> Option<u32> {
        Some(u32::from(*self.read(x, k, 1)?.first()?))
    }
}

/// What an arithmetic opcode makes of its operands; none for a division by zero, which rejects the packet, and for anything
/// else. Shifts by 32 and more leave nothing, as in libpcap; a kernel looks at five bits of the operand.
pub(in crate::capture) fn calculate(code: u16, a: u32, operand: u32) -> Option<u32> {
    match code {
        ADD => Some(a.wrapping_add(operand)),
        SUB => Some(a.wrapping_sub(operand)),
        MUL => Some(a.wrapping_mul(operand)),
        DIV => a.checked_div(operand),
        MOD => a.checked_rem(operand),
        AND => Some(a & operand),
        OR => Some(a | operand),
        XOR => Some(a ^ operand),
        LSH => Some(a.checked_shl(operand).unwrap_or(0)),
        RSH => Some(a.checked_shr(operand).unwrap_or(0)),
        _ => None,
    }
}
