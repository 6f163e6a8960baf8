//! Opcodes of classic BPF, composed as the kernel knows them.

/// `A = 32 bits at k`, network order like all loads.
pub const LD_W_ABS: u16 = 0x20;
/// `A = 16 bits at k`.
pub const LD_H_ABS: u16 = 0x28;
/// `A = the byte at k`.
pub const LD_B_ABS: u16 = 0x30;
/// `A = 32 bits at X + k`.
pub const LD_W_IND: u16 = 0x40;
/// `A = 16 bits at X + k`.
pub const LD_H_IND: u16 = 0x48;
/// `A = the byte at X + k`.
pub const LD_B_IND: u16 = 0x50;
/// `A = k`.
pub const LD_IMM: u16 = 0x00;
/// `A = M[k]`.
pub const LD_MEM: u16 = 0x60;
/// `A = length of the packet on the wire`.
pub const LD_LEN: u16 = 0x80;
/// `X = k`.
pub const LDX_IMM: u16 = 0x01;
/// `X = M[k]`.
pub const LDX_MEM: u16 = 0x61;
/// `X = length of the packet on the wire`.
pub const LDX_LEN: u16 = 0x81;
/// `X = 4 * (the byte at k & 15)`: the length of an IPv4 header.
pub const LDX_MSH: u16 = 0xb1;
/// `M[k] = A`.
pub const ST: u16 = 0x02;
/// `M[k] = X`.
pub const STX: u16 = 0x03;
/// `A = A + k`; with [`FROM_X`] the operand is X, as in all that follow.
pub const ADD: u16 = 0x04;
/// `A = A - k`.
pub const SUB: u16 = 0x14;
/// `A = A * k`.
pub const MUL: u16 = 0x24;
/// `A = A / k`; a zero in X rejects the packet.
pub const DIV: u16 = 0x34;
/// `A = A | k`.
pub const OR: u16 = 0x44;
/// `A = A & k`.
pub const AND: u16 = 0x54;
/// `A = A << k`.
pub const LSH: u16 = 0x64;
/// `A = A >> k`.
pub const RSH: u16 = 0x74;
/// `A = -A`.
pub const NEG: u16 = 0x84;
/// `A = A % k`; a zero in X rejects the packet.
pub const MOD: u16 = 0x94;
/// `A = A ^ k`.
pub const XOR: u16 = 0xa4;
/// Skip k instructions.
pub const JA: u16 = 0x05;
/// Does A equal k?
pub const JEQ: u16 = 0x15;
/// Is A above k? Unsigned, like all comparisons.
pub const JGT: u16 = 0x25;
/// Is A at least k?
pub const JGE: u16 = 0x35;
/// Is any bit of k set in A?
pub const JSET: u16 = 0x45;
/// Return k.
pub const RET_K: u16 = 0x06;
/// Return A.
pub const RET_A: u16 = 0x16;
/// `X = A`.
pub const TAX: u16 = 0x07;
/// `A = X`.
pub const TXA: u16 = 0x87;
/// Added to an arithmetic opcode or a comparison: the operand is X, not k.
pub const FROM_X: u16 = 0x08;
/// Scratch cells: `M[0]` to `M[15]`.
pub const CELLS: u32 = 16;
