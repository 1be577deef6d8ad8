meta:
  id: tcx
  title: texcodec picture, file format 1.3
  file-extension: tcx
  xref:
    mime: image/x-tcx
  license: Apache-2.0
  ks-version: "0.10"
  endian: le
doc: |
  Where the bytes of a .tcx file are and what they mean, up to the payloads of tiles and feature streams. docs/format.md is
  the definition; this description follows it.

  What it checks: fixed bytes, ranges of fields, lengths of the index and of the data, the shortest form of numbers, the
  end of the file. What it leaves to a reader: checksums (it shows where they stand), limits,
  rules across chunks (none twice, none missing), the one spelling of headers and indices, rate indices, and that the
  entries of a compact index describe all tiles.
doc-ref: docs/format.md
seq:
  - id: magic
    contents: [0x89, "TCX"]
  - id: form
    type: u1
    valid:
      any-of: [0x0d, 2]
    doc: |
      13 is the fifth byte of the signature of files of chunks, 2 that of compact files. Later forms have the frame of
      compact ones: length, head, checksum.
  - id: rest_of_signature
    contents: [0x0a, 0x1a, 0x0a]
    if: is_chunked
  - id: thdr
    type: thdr_chunk
    if: is_chunked
  - id: before_index
    type: chunk
    repeat: until
    repeat-until: _.kind == "TIDX"
    if: has_index
    doc: The index is the last one of these.
  - id: len_head
    type: varint
    if: is_compact
    valid:
      expr: _.is_shortest
  - id: head
    type: compact_head
    size: len_head.value
    if: is_compact
  - id: head_checksum
    type: u4
    if: is_compact
    doc: crc32 of all bytes before it, the magic included.
  - id: bare_data
    type: tiles_by_runs
    if: is_compact and not head.has_chunks
  - id: before_data
    type: chunk
    repeat: until
    repeat-until: _.kind == "TDAT"
    if: has_chunks and has_pixels
    doc: The tiles are the last one of these.
  - id: before_end
    type: chunk
    repeat: until
    repeat-until: _.kind == "TEND"
    if: has_chunks
  - id: rest
    size-eos: true
    valid:
      expr: _.size == 0
    doc: Nothing follows.
instances:
  is_chunked:
    value: form == 0x0d
  is_compact:
    value: form == 2
  header:
    value: thdr.body.header
    if: is_chunked
  has_index:
    value: is_chunked and header.has_pixels and not header.is_lean
  has_chunks:
    value: "is_compact ? head.has_chunks : not header.is_lean"
    doc: Behind the header or head; TDAT and TEND are among them.
  has_pixels:
    value: is_compact or header.has_pixels
  index:
    value: before_index.last.index
    if: has_index
types:
  varint:
    doc: Unsigned LEB128 below 2^32 in its shortest form.
    seq:
      - id: groups
        type: u1
        repeat: until
        repeat-until: _ < 0x80 or groups.size == 5
        valid:
          expr: groups.size < 5 or _ < 0x10
    instances:
      count:
        value: groups.size
      value:
        value: >-
          (groups[0] & 0x7f)
          + (count > 1 ? (groups[1] & 0x7f) << 7 : 0)
          + (count > 2 ? (groups[2] & 0x7f) << 14 : 0)
          + (count > 3 ? (groups[3] & 0x7f) << 21 : 0)
          + (count > 4 ? (groups[4] & 0x7f) * 268435456 : 0)
      is_shortest:
        value: count == 1 or groups.last != 0

  # ---- files of chunks

  thdr_chunk:
    seq:
      - id: kind
        contents: THDR
      - id: len_body
        type: u4
      - id: body
        type: thdr_body
        size: len_body
      - id: checksum
        type: u4
        doc: crc32 of everything before it in this chunk, its type included.

  thdr_body:
    seq:
      - id: header
        type: header
      - id: tile
        type: lean_tile
        if: header.is_lean and header.has_pixels
      - id: stream
        type: stream_fields
        if: header.is_lean and not header.has_pixels
        doc: Its identity is that of the header.
      - id: rest
        size-eos: true
        valid:
          expr: _.size == 0

  header:
    seq:
      - id: major
        type: u1
        valid: 1
      - id: minor
        type: u1
      - id: flags
        type: u1
        valid:
          expr: _ < 0x40
      - id: width
        type: varint
        valid:
          expr: _.value >= 1 and _.is_shortest
      - id: height
        type: varint
        valid:
          expr: _.value >= 1 and _.is_shortest
      - id: pixel
        type: u1
        valid:
          expr: (_ >> 4) == 7 and ((_ >> 2) & 3) <= 1 and ((_ & 3) == 0 or (_ & 3) == 2)
      - id: grid
        type: u1
        valid:
          expr: (_ & 15) >= 7 and (_ & 15) <= 11 and (_ >> 4) <= (_ & 15)
      - id: border
        type: u1
        valid:
          max: 15
      - id: num_classes
        type: u1
        valid:
          min: 1
          max: 254
      - id: entropy_profile
        type: u1
        valid:
          expr: _ != 2
      - id: rate_index
        type: varint
        valid:
          expr: _.value <= 65535 and _.is_shortest
      - id: identity
        size: 16
      - id: cicp
        type: cicp
        if: has_cicp
      - id: origin_x
        type: u1
        if: has_origin
      - id: origin_y
        type: u1
        if: has_origin
    instances:
      has_pixels:
        value: (flags & 1) == 0
      is_lean:
        value: (flags & 2) != 0
      has_fusion:
        value: (flags & 4) != 0
      has_cicp:
        value: (flags & 8) != 0
      has_origin:
        value: (flags & 16) != 0
      has_drawn:
        value: (flags & 32) != 0
      num_channels:
        value: (pixel & 3) + 1
      has_alpha:
        value: ((pixel >> 2) & 3) == 1
      tile:
        value: 1 << (grid & 15)
        doc: Side of a tile in pixels.
      stride:
        value: 1 << (grid >> 4)
        doc: Pixels per latent.
      halo:
        value: border & 15
      left:
        value: "has_origin ? origin_x : 0"
      top:
        value: "has_origin ? origin_y : 0"
      num_columns:
        value: "(width.value - 1 - left + tile) / tile + (left > 0 ? 1 : 0)"
      num_rows:
        value: "(height.value - 1 - top + tile) / tile + (top > 0 ? 1 : 0)"
      num_tiles:
        value: "has_pixels ? num_columns * num_rows : 0"

  cicp:
    seq:
      - id: primaries
        type: u1
      - id: transfer
        type: u1
      - id: matrix
        type: u1
      - id: full_range
        type: u1
        valid:
          max: 1

  lean_tile:
    seq:
      - id: texture_class
        type: u1
        valid:
          max: 254
      - id: rate_offset
        type: s1
      - id: symbol_checksum
        type: u2
      - id: payload
        size-eos: true

  chunk:
    seq:
      - id: kind
        type: str
        encoding: ASCII
        size: 4
      - id: len_body
        type: u4
      - id: index
        type: tile_index
        size: len_body
        if: kind == "TIDX"
      - id: data
        type: tiles_by_index
        size: len_body
        if: kind == "TDAT" and _root.is_chunked
      - id: compact_data
        type: tiles_by_runs
        size: len_body
        if: kind == "TDAT" and _root.is_compact
      - id: alpha
        type: alpha
        size: len_body
        if: kind == "ALPH"
      - id: stream
        type: stream
        size: len_body
        if: kind == "FEAT"
        doc: In a chunk "feat" the same fields stand, but a reader that finds them impossible still decodes the pixels.
      - id: body
        size: len_body
        if: not is_structured
      - id: checksum
        type: u4
        if: kind != "TDAT"
        doc: crc32 of everything before it in this chunk, its type included.
    instances:
      is_structured:
        value: kind == "TIDX" or kind == "TDAT" or kind == "ALPH" or kind == "FEAT"
      is_end:
        value: kind == "TEND"

  tile_index:
    seq:
      - id: entries
        type: tile_entry
        repeat: expr
        repeat-expr: _root.header.num_tiles
      - id: rest
        size-eos: true
        valid:
          expr: _.size == 0

  tile_entry:
    seq:
      - id: texture_class
        type: u1
        valid:
          expr: >-
            _ == 255 or (_ == 254 and _root.header.has_drawn)
            or (_ < _root.header.num_classes and not (_root.header.entropy_profile == 0 and _root.header.has_drawn))
      - id: len_payload
        type: varint
        if: not is_absent
        valid:
          expr: _.is_shortest
      - id: rate_offset
        type: s1
        if: not is_absent
      - id: payload_checksum
        type: u4
        if: not is_absent
        doc: crc32 of the tile's number as u32, then its payload.
      - id: symbol_checksum
        type: u2
        if: not is_absent
    instances:
      is_absent:
        value: texture_class == 255
      is_drawn:
        value: texture_class == 254
      length:
        value: "is_absent ? 0 : len_payload.value"

  tiles_by_index:
    seq:
      - id: payloads
        size: _root.index.entries[_index].length
        repeat: expr
        repeat-expr: _root.index.entries.size
        doc: One for each entry of the index, those of absent tiles empty.
      - id: rest
        size-eos: true
        valid:
          expr: _.size == 0

  alpha:
    seq:
      - id: method
        type: u1
        doc: 0 or 1; a reader refuses others when it decodes the plane.
      - id: value
        type: u1
        if: method == 0
      - id: zlib_stream
        size-eos: true
        if: method == 1

  stream:
    seq:
      - id: identity
        size: 16
      - id: fields
        type: stream_fields

  stream_fields:
    seq:
      - id: level
        type: u1
      - id: num_tasks
        type: varint
        valid:
          expr: _.value >= 1 and _.value <= 255 and _.is_shortest
      - id: tasks
        type: stream_task
        repeat: expr
        repeat-expr: num_tasks.value
      - id: symbol_checksum
        type: u2
      - id: payload
        size-eos: true

  stream_task:
    seq:
      - id: identifier
        type: u2
        doc: Low 16 bits of the crc32 of the task's name.
      - id: height
        type: varint
        valid:
          expr: _.value >= 1 and _.is_shortest
      - id: width
        type: varint
        valid:
          expr: _.value >= 1 and _.is_shortest

  # ---- compact files

  compact_head:
    seq:
      - id: flags
        type: varint
        valid:
          expr: _.value < 0x200 and (_.value < 0x100 or (_.value & 36) == 0) and _.is_shortest
      - id: width
        type: varint
        valid:
          expr: _.value >= 1 and _.is_shortest
      - id: height
        type: varint
        valid:
          expr: _.value >= 1 and _.is_shortest
      - id: num_classes
        type: u1
        valid:
          min: 1
          max: 254
      - id: rate_index
        type: u1
      - id: identity
        size: 8
      - id: cicp
        type: cicp
        if: (flags.value & 64) != 0
      - id: origin_x
        type: u1
        if: has_origin
      - id: origin_y
        type: u1
        if: has_origin
      - id: data_checksum
        type: u4
        doc: crc32 of the payloads of all tiles, one after the other.
      - id: entries
        type: run
        repeat: eos
        doc: Of tiles, of runs of absent tiles, and of changes of the rate offset; together they describe all tiles.
    instances:
      num_channels:
        value: "(flags.value & 1) != 0 ? 1 : 3"
      has_fusion:
        value: (flags.value & 2) != 0
      tile:
        value: "(flags.value & 256) != 0 ? 512 : ((flags.value & 4) != 0 ? 128 : 256)"
      has_alpha:
        value: (flags.value & 8) != 0
      has_chunks:
        value: (flags.value & 16) != 0
      has_origin:
        value: (flags.value & 32) != 0
      has_drawn:
        value: (flags.value & 128) != 0
      left:
        value: "has_origin ? origin_x : 0"
      top:
        value: "has_origin ? origin_y : 0"
      num_columns:
        value: "(width.value - 1 - left + tile) / tile + (left > 0 ? 1 : 0)"
      num_rows:
        value: "(height.value - 1 - top + tile) / tile + (top > 0 ? 1 : 0)"
      num_tiles:
        value: num_columns * num_rows

  run:
    doc: One entry of the index of a compact file.
    seq:
      - id: code
        type: varint
        valid:
          expr: _.is_shortest
      - id: len_drawn
        type: varint
        if: is_drawn
        valid:
          expr: _.is_shortest
      - id: payload_checksum
        type: u4
        if: is_drawn
      - id: symbol_checksum
        type: u2
        if: is_drawn
    instances:
      base:
        value: _parent.num_classes + 1
      kind:
        value: code.value % base
      number:
        value: code.value / base
      is_tile:
        value: kind < _parent.num_classes
        doc: Of class `kind`, with a payload of `number` bytes.
      is_absent:
        value: not is_tile and number % 2 == 0
        doc: A run of `number` / 2 + 1 absent tiles.
      is_drawn:
        value: not is_tile and (number == 1 or number == 3) and _parent.has_drawn
      is_rate:
        value: not is_tile and number % 2 == 1 and number >= 5
      rate_step:
        value: (number - 5) / 2
        if: is_rate
      rate_change:
        value: "rate_step % 2 == 0 ? rate_step / 2 + 1 : 0 - (rate_step + 1) / 2"
        if: is_rate
        doc: What the rate offset changes by, for the tiles that follow.
      num_tiles:
        value: "is_tile or is_drawn ? 1 : is_absent ? number / 2 + 1 : 0"
      length:
        value: "is_tile ? number : is_drawn ? len_drawn.value : 0"
        doc: Bytes of payload.

  tiles_by_runs:
    seq:
      - id: payloads
        size: _root.head.entries[_index].length
        repeat: expr
        repeat-expr: _root.head.entries.size
        doc: One for each entry of the index; those that are no tiles are empty.
      - id: rest
        size-eos: true
        valid:
          expr: _.size == 0
