# Made of conformance/tcx.ksy by conformance/compile_ksy.mjs (kaitai-struct-compiler 0.11.0).
# SHA-256 of the source: 96527f23084a49c15fb76543c0f323429199f1684c6ecb95e559276a84d44d79
# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Tcx(KaitaiStruct):
    """Where the bytes of a .tcx file are and what they mean, up to the payloads of tiles and feature streams. docs/format.md is
    the definition; this description follows it.
    
    What it checks: fixed bytes, ranges of fields, lengths of the index and of the data, the shortest form of numbers, the
    end of the file. What it leaves to a reader: checksums (it shows where they stand), limits,
    rules across chunks (none twice, none missing), the one spelling of headers and indices, rate indices, and that the
    entries of a compact index describe all tiles.
    
    .. seealso::
       docs/format.md
    """
    def __init__(self, _io, _parent=None, _root=None):
        super(Tcx, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._read()

    def _read(self):
        self.magic = self._io.read_bytes(4)
        if not self.magic == b"\x89\x54\x43\x58":
            raise kaitaistruct.ValidationNotEqualError(b"\x89\x54\x43\x58", self.magic, self._io, u"/seq/0")
        self.form = self._io.read_u1()
        if not  ((self.form == 13) or (self.form == 2)) :
            raise kaitaistruct.ValidationNotAnyOfError(self.form, self._io, u"/seq/1")
        if self.is_chunked:
            pass
            self.rest_of_signature = self._io.read_bytes(3)
            if not self.rest_of_signature == b"\x0A\x1A\x0A":
                raise kaitaistruct.ValidationNotEqualError(b"\x0A\x1A\x0A", self.rest_of_signature, self._io, u"/seq/2")

        if self.is_chunked:
            pass
            self.thdr = Tcx.ThdrChunk(self._io, self, self._root)

        if self.has_index:
            pass
            self.before_index = []
            i = 0
            while True:
                _ = Tcx.Chunk(self._io, self, self._root)
                self.before_index.append(_)
                if _.kind == u"TIDX":
                    break
                i += 1

        if self.is_compact:
            pass
            self.len_head = Tcx.Varint(self._io, self, self._root)
            _ = self.len_head
            if not _.is_shortest:
                raise kaitaistruct.ValidationExprError(self.len_head, self._io, u"/seq/5")

        if self.is_compact:
            pass
            self._raw_head = self._io.read_bytes(self.len_head.value)
            _io__raw_head = KaitaiStream(BytesIO(self._raw_head))
            self.head = Tcx.CompactHead(_io__raw_head, self, self._root)

        if self.is_compact:
            pass
            self.head_checksum = self._io.read_u4le()

        if  ((self.is_compact) and ((not (self.head.has_chunks)))) :
            pass
            self.bare_data = Tcx.TilesByRuns(self._io, self, self._root)

        if  ((self.has_chunks) and (self.has_pixels)) :
            pass
            self.before_data = []
            i = 0
            while True:
                _ = Tcx.Chunk(self._io, self, self._root)
                self.before_data.append(_)
                if _.kind == u"TDAT":
                    break
                i += 1

        if self.has_chunks:
            pass
            self.before_end = []
            i = 0
            while True:
                _ = Tcx.Chunk(self._io, self, self._root)
                self.before_end.append(_)
                if _.kind == u"TEND":
                    break
                i += 1

        self.rest = self._io.read_bytes_full()
        _ = self.rest
        if not len(_) == 0:
            raise kaitaistruct.ValidationExprError(self.rest, self._io, u"/seq/11")


    def _fetch_instances(self):
        pass
        if self.is_chunked:
            pass

        if self.is_chunked:
            pass
            self.thdr._fetch_instances()

        if self.has_index:
            pass
            for i in range(len(self.before_index)):
                pass
                self.before_index[i]._fetch_instances()


        if self.is_compact:
            pass
            self.len_head._fetch_instances()

        if self.is_compact:
            pass
            self.head._fetch_instances()

        if self.is_compact:
            pass

        if  ((self.is_compact) and ((not (self.head.has_chunks)))) :
            pass
            self.bare_data._fetch_instances()

        if  ((self.has_chunks) and (self.has_pixels)) :
            pass
            for i in range(len(self.before_data)):
                pass
                self.before_data[i]._fetch_instances()


        if self.has_chunks:
            pass
            for i in range(len(self.before_end)):
                pass
                self.before_end[i]._fetch_instances()



    class Alpha(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.Alpha, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.method = self._io.read_u1()
            if self.method == 0:
                pass
                self.value = self._io.read_u1()

            if self.method == 1:
                pass
                self.zlib_stream = self._io.read_bytes_full()



        def _fetch_instances(self):
            pass
            if self.method == 0:
                pass

            if self.method == 1:
                pass



    class Chunk(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.Chunk, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.kind = (self._io.read_bytes(4)).decode(u"ASCII")
            self.len_body = self._io.read_u4le()
            if self.kind == u"TIDX":
                pass
                self._raw_index = self._io.read_bytes(self.len_body)
                _io__raw_index = KaitaiStream(BytesIO(self._raw_index))
                self.index = Tcx.TileIndex(_io__raw_index, self, self._root)

            if  ((self.kind == u"TDAT") and (self._root.is_chunked)) :
                pass
                self._raw_data = self._io.read_bytes(self.len_body)
                _io__raw_data = KaitaiStream(BytesIO(self._raw_data))
                self.data = Tcx.TilesByIndex(_io__raw_data, self, self._root)

            if  ((self.kind == u"TDAT") and (self._root.is_compact)) :
                pass
                self._raw_compact_data = self._io.read_bytes(self.len_body)
                _io__raw_compact_data = KaitaiStream(BytesIO(self._raw_compact_data))
                self.compact_data = Tcx.TilesByRuns(_io__raw_compact_data, self, self._root)

            if self.kind == u"ALPH":
                pass
                self._raw_alpha = self._io.read_bytes(self.len_body)
                _io__raw_alpha = KaitaiStream(BytesIO(self._raw_alpha))
                self.alpha = Tcx.Alpha(_io__raw_alpha, self, self._root)

            if self.kind == u"FEAT":
                pass
                self._raw_stream = self._io.read_bytes(self.len_body)
                _io__raw_stream = KaitaiStream(BytesIO(self._raw_stream))
                self.stream = Tcx.Stream(_io__raw_stream, self, self._root)

            if (not (self.is_structured)):
                pass
                self.body = self._io.read_bytes(self.len_body)

            if self.kind != u"TDAT":
                pass
                self.checksum = self._io.read_u4le()



        def _fetch_instances(self):
            pass
            if self.kind == u"TIDX":
                pass
                self.index._fetch_instances()

            if  ((self.kind == u"TDAT") and (self._root.is_chunked)) :
                pass
                self.data._fetch_instances()

            if  ((self.kind == u"TDAT") and (self._root.is_compact)) :
                pass
                self.compact_data._fetch_instances()

            if self.kind == u"ALPH":
                pass
                self.alpha._fetch_instances()

            if self.kind == u"FEAT":
                pass
                self.stream._fetch_instances()

            if (not (self.is_structured)):
                pass

            if self.kind != u"TDAT":
                pass


        @property
        def is_end(self):
            if hasattr(self, '_m_is_end'):
                return self._m_is_end

            self._m_is_end = self.kind == u"TEND"
            return getattr(self, '_m_is_end', None)

        @property
        def is_structured(self):
            if hasattr(self, '_m_is_structured'):
                return self._m_is_structured

            self._m_is_structured =  ((self.kind == u"TIDX") or (self.kind == u"TDAT") or (self.kind == u"ALPH") or (self.kind == u"FEAT")) 
            return getattr(self, '_m_is_structured', None)


    class Cicp(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.Cicp, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.primaries = self._io.read_u1()
            self.transfer = self._io.read_u1()
            self.matrix = self._io.read_u1()
            self.full_range = self._io.read_u1()
            if not self.full_range <= 1:
                raise kaitaistruct.ValidationGreaterThanError(1, self.full_range, self._io, u"/types/cicp/seq/3")


        def _fetch_instances(self):
            pass


    class CompactHead(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.CompactHead, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.flags = Tcx.Varint(self._io, self, self._root)
            _ = self.flags
            if not  ((_.value < 512) and ( ((_.value < 256) or (_.value & 36 == 0)) ) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.flags, self._io, u"/types/compact_head/seq/0")
            self.width = Tcx.Varint(self._io, self, self._root)
            _ = self.width
            if not  ((_.value >= 1) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.width, self._io, u"/types/compact_head/seq/1")
            self.height = Tcx.Varint(self._io, self, self._root)
            _ = self.height
            if not  ((_.value >= 1) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.height, self._io, u"/types/compact_head/seq/2")
            self.num_classes = self._io.read_u1()
            if not self.num_classes >= 1:
                raise kaitaistruct.ValidationLessThanError(1, self.num_classes, self._io, u"/types/compact_head/seq/3")
            if not self.num_classes <= 254:
                raise kaitaistruct.ValidationGreaterThanError(254, self.num_classes, self._io, u"/types/compact_head/seq/3")
            self.rate_index = self._io.read_u1()
            self.identity = self._io.read_bytes(8)
            if self.flags.value & 64 != 0:
                pass
                self.cicp = Tcx.Cicp(self._io, self, self._root)

            if self.has_origin:
                pass
                self.origin_x = self._io.read_u1()

            if self.has_origin:
                pass
                self.origin_y = self._io.read_u1()

            self.data_checksum = self._io.read_u4le()
            self.entries = []
            i = 0
            while not self._io.is_eof():
                self.entries.append(Tcx.Run(self._io, self, self._root))
                i += 1



        def _fetch_instances(self):
            pass
            self.flags._fetch_instances()
            self.width._fetch_instances()
            self.height._fetch_instances()
            if self.flags.value & 64 != 0:
                pass
                self.cicp._fetch_instances()

            if self.has_origin:
                pass

            if self.has_origin:
                pass

            for i in range(len(self.entries)):
                pass
                self.entries[i]._fetch_instances()


        @property
        def has_alpha(self):
            if hasattr(self, '_m_has_alpha'):
                return self._m_has_alpha

            self._m_has_alpha = self.flags.value & 8 != 0
            return getattr(self, '_m_has_alpha', None)

        @property
        def has_chunks(self):
            if hasattr(self, '_m_has_chunks'):
                return self._m_has_chunks

            self._m_has_chunks = self.flags.value & 16 != 0
            return getattr(self, '_m_has_chunks', None)

        @property
        def has_drawn(self):
            if hasattr(self, '_m_has_drawn'):
                return self._m_has_drawn

            self._m_has_drawn = self.flags.value & 128 != 0
            return getattr(self, '_m_has_drawn', None)

        @property
        def has_fusion(self):
            if hasattr(self, '_m_has_fusion'):
                return self._m_has_fusion

            self._m_has_fusion = self.flags.value & 2 != 0
            return getattr(self, '_m_has_fusion', None)

        @property
        def has_origin(self):
            if hasattr(self, '_m_has_origin'):
                return self._m_has_origin

            self._m_has_origin = self.flags.value & 32 != 0
            return getattr(self, '_m_has_origin', None)

        @property
        def left(self):
            if hasattr(self, '_m_left'):
                return self._m_left

            self._m_left = (self.origin_x if self.has_origin else 0)
            return getattr(self, '_m_left', None)

        @property
        def num_channels(self):
            if hasattr(self, '_m_num_channels'):
                return self._m_num_channels

            self._m_num_channels = (1 if self.flags.value & 1 != 0 else 3)
            return getattr(self, '_m_num_channels', None)

        @property
        def num_columns(self):
            if hasattr(self, '_m_num_columns'):
                return self._m_num_columns

            self._m_num_columns = (((self.width.value - 1) - self.left) + self.tile) // self.tile + (1 if self.left > 0 else 0)
            return getattr(self, '_m_num_columns', None)

        @property
        def num_rows(self):
            if hasattr(self, '_m_num_rows'):
                return self._m_num_rows

            self._m_num_rows = (((self.height.value - 1) - self.top) + self.tile) // self.tile + (1 if self.top > 0 else 0)
            return getattr(self, '_m_num_rows', None)

        @property
        def num_tiles(self):
            if hasattr(self, '_m_num_tiles'):
                return self._m_num_tiles

            self._m_num_tiles = self.num_columns * self.num_rows
            return getattr(self, '_m_num_tiles', None)

        @property
        def tile(self):
            if hasattr(self, '_m_tile'):
                return self._m_tile

            self._m_tile = (512 if self.flags.value & 256 != 0 else (128 if self.flags.value & 4 != 0 else 256))
            return getattr(self, '_m_tile', None)

        @property
        def top(self):
            if hasattr(self, '_m_top'):
                return self._m_top

            self._m_top = (self.origin_y if self.has_origin else 0)
            return getattr(self, '_m_top', None)


    class Header(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.Header, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.major = self._io.read_u1()
            if not self.major == 1:
                raise kaitaistruct.ValidationNotEqualError(1, self.major, self._io, u"/types/header/seq/0")
            self.minor = self._io.read_u1()
            self.flags = self._io.read_u1()
            _ = self.flags
            if not _ < 64:
                raise kaitaistruct.ValidationExprError(self.flags, self._io, u"/types/header/seq/2")
            self.width = Tcx.Varint(self._io, self, self._root)
            _ = self.width
            if not  ((_.value >= 1) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.width, self._io, u"/types/header/seq/3")
            self.height = Tcx.Varint(self._io, self, self._root)
            _ = self.height
            if not  ((_.value >= 1) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.height, self._io, u"/types/header/seq/4")
            self.pixel = self._io.read_u1()
            _ = self.pixel
            if not  ((_ >> 4 == 7) and (_ >> 2 & 3 <= 1) and ( ((_ & 3 == 0) or (_ & 3 == 2)) )) :
                raise kaitaistruct.ValidationExprError(self.pixel, self._io, u"/types/header/seq/5")
            self.grid = self._io.read_u1()
            _ = self.grid
            if not  ((_ & 15 >= 7) and (_ & 15 <= 11) and (_ >> 4 <= _ & 15)) :
                raise kaitaistruct.ValidationExprError(self.grid, self._io, u"/types/header/seq/6")
            self.border = self._io.read_u1()
            if not self.border <= 15:
                raise kaitaistruct.ValidationGreaterThanError(15, self.border, self._io, u"/types/header/seq/7")
            self.num_classes = self._io.read_u1()
            if not self.num_classes >= 1:
                raise kaitaistruct.ValidationLessThanError(1, self.num_classes, self._io, u"/types/header/seq/8")
            if not self.num_classes <= 254:
                raise kaitaistruct.ValidationGreaterThanError(254, self.num_classes, self._io, u"/types/header/seq/8")
            self.entropy_profile = self._io.read_u1()
            _ = self.entropy_profile
            if not _ != 2:
                raise kaitaistruct.ValidationExprError(self.entropy_profile, self._io, u"/types/header/seq/9")
            self.rate_index = Tcx.Varint(self._io, self, self._root)
            _ = self.rate_index
            if not  ((_.value <= 65535) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.rate_index, self._io, u"/types/header/seq/10")
            self.identity = self._io.read_bytes(16)
            if self.has_cicp:
                pass
                self.cicp = Tcx.Cicp(self._io, self, self._root)

            if self.has_origin:
                pass
                self.origin_x = self._io.read_u1()

            if self.has_origin:
                pass
                self.origin_y = self._io.read_u1()



        def _fetch_instances(self):
            pass
            self.width._fetch_instances()
            self.height._fetch_instances()
            self.rate_index._fetch_instances()
            if self.has_cicp:
                pass
                self.cicp._fetch_instances()

            if self.has_origin:
                pass

            if self.has_origin:
                pass


        @property
        def halo(self):
            if hasattr(self, '_m_halo'):
                return self._m_halo

            self._m_halo = self.border & 15
            return getattr(self, '_m_halo', None)

        @property
        def has_alpha(self):
            if hasattr(self, '_m_has_alpha'):
                return self._m_has_alpha

            self._m_has_alpha = self.pixel >> 2 & 3 == 1
            return getattr(self, '_m_has_alpha', None)

        @property
        def has_cicp(self):
            if hasattr(self, '_m_has_cicp'):
                return self._m_has_cicp

            self._m_has_cicp = self.flags & 8 != 0
            return getattr(self, '_m_has_cicp', None)

        @property
        def has_drawn(self):
            if hasattr(self, '_m_has_drawn'):
                return self._m_has_drawn

            self._m_has_drawn = self.flags & 32 != 0
            return getattr(self, '_m_has_drawn', None)

        @property
        def has_fusion(self):
            if hasattr(self, '_m_has_fusion'):
                return self._m_has_fusion

            self._m_has_fusion = self.flags & 4 != 0
            return getattr(self, '_m_has_fusion', None)

        @property
        def has_origin(self):
            if hasattr(self, '_m_has_origin'):
                return self._m_has_origin

            self._m_has_origin = self.flags & 16 != 0
            return getattr(self, '_m_has_origin', None)

        @property
        def has_pixels(self):
            if hasattr(self, '_m_has_pixels'):
                return self._m_has_pixels

            self._m_has_pixels = self.flags & 1 == 0
            return getattr(self, '_m_has_pixels', None)

        @property
        def is_lean(self):
            if hasattr(self, '_m_is_lean'):
                return self._m_is_lean

            self._m_is_lean = self.flags & 2 != 0
            return getattr(self, '_m_is_lean', None)

        @property
        def left(self):
            if hasattr(self, '_m_left'):
                return self._m_left

            self._m_left = (self.origin_x if self.has_origin else 0)
            return getattr(self, '_m_left', None)

        @property
        def num_channels(self):
            if hasattr(self, '_m_num_channels'):
                return self._m_num_channels

            self._m_num_channels = (self.pixel & 3) + 1
            return getattr(self, '_m_num_channels', None)

        @property
        def num_columns(self):
            if hasattr(self, '_m_num_columns'):
                return self._m_num_columns

            self._m_num_columns = (((self.width.value - 1) - self.left) + self.tile) // self.tile + (1 if self.left > 0 else 0)
            return getattr(self, '_m_num_columns', None)

        @property
        def num_rows(self):
            if hasattr(self, '_m_num_rows'):
                return self._m_num_rows

            self._m_num_rows = (((self.height.value - 1) - self.top) + self.tile) // self.tile + (1 if self.top > 0 else 0)
            return getattr(self, '_m_num_rows', None)

        @property
        def num_tiles(self):
            if hasattr(self, '_m_num_tiles'):
                return self._m_num_tiles

            self._m_num_tiles = (self.num_columns * self.num_rows if self.has_pixels else 0)
            return getattr(self, '_m_num_tiles', None)

        @property
        def stride(self):
            """Pixels per latent."""
            if hasattr(self, '_m_stride'):
                return self._m_stride

            self._m_stride = 1 << (self.grid >> 4)
            return getattr(self, '_m_stride', None)

        @property
        def tile(self):
            """Side of a tile in pixels."""
            if hasattr(self, '_m_tile'):
                return self._m_tile

            self._m_tile = 1 << (self.grid & 15)
            return getattr(self, '_m_tile', None)

        @property
        def top(self):
            if hasattr(self, '_m_top'):
                return self._m_top

            self._m_top = (self.origin_y if self.has_origin else 0)
            return getattr(self, '_m_top', None)


    class LeanTile(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.LeanTile, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.texture_class = self._io.read_u1()
            if not self.texture_class <= 254:
                raise kaitaistruct.ValidationGreaterThanError(254, self.texture_class, self._io, u"/types/lean_tile/seq/0")
            self.rate_offset = self._io.read_s1()
            self.symbol_checksum = self._io.read_u2le()
            self.payload = self._io.read_bytes_full()


        def _fetch_instances(self):
            pass


    class Run(KaitaiStruct):
        """One entry of the index of a compact file."""
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.Run, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.code = Tcx.Varint(self._io, self, self._root)
            _ = self.code
            if not _.is_shortest:
                raise kaitaistruct.ValidationExprError(self.code, self._io, u"/types/run/seq/0")
            if self.is_drawn:
                pass
                self.len_drawn = Tcx.Varint(self._io, self, self._root)
                _ = self.len_drawn
                if not _.is_shortest:
                    raise kaitaistruct.ValidationExprError(self.len_drawn, self._io, u"/types/run/seq/1")

            if self.is_drawn:
                pass
                self.payload_checksum = self._io.read_u4le()

            if self.is_drawn:
                pass
                self.symbol_checksum = self._io.read_u2le()



        def _fetch_instances(self):
            pass
            self.code._fetch_instances()
            if self.is_drawn:
                pass
                self.len_drawn._fetch_instances()

            if self.is_drawn:
                pass

            if self.is_drawn:
                pass


        @property
        def base(self):
            if hasattr(self, '_m_base'):
                return self._m_base

            self._m_base = self._parent.num_classes + 1
            return getattr(self, '_m_base', None)

        @property
        def is_absent(self):
            """A run of `number` / 2 + 1 absent tiles."""
            if hasattr(self, '_m_is_absent'):
                return self._m_is_absent

            self._m_is_absent =  (((not (self.is_tile))) and (self.number % 2 == 0)) 
            return getattr(self, '_m_is_absent', None)

        @property
        def is_drawn(self):
            if hasattr(self, '_m_is_drawn'):
                return self._m_is_drawn

            self._m_is_drawn =  (((not (self.is_tile))) and ( ((self.number == 1) or (self.number == 3)) ) and (self._parent.has_drawn)) 
            return getattr(self, '_m_is_drawn', None)

        @property
        def is_rate(self):
            if hasattr(self, '_m_is_rate'):
                return self._m_is_rate

            self._m_is_rate =  (((not (self.is_tile))) and (self.number % 2 == 1) and (self.number >= 5)) 
            return getattr(self, '_m_is_rate', None)

        @property
        def is_tile(self):
            """Of class `kind`, with a payload of `number` bytes."""
            if hasattr(self, '_m_is_tile'):
                return self._m_is_tile

            self._m_is_tile = self.kind < self._parent.num_classes
            return getattr(self, '_m_is_tile', None)

        @property
        def kind(self):
            if hasattr(self, '_m_kind'):
                return self._m_kind

            self._m_kind = self.code.value % self.base
            return getattr(self, '_m_kind', None)

        @property
        def length(self):
            """Bytes of payload."""
            if hasattr(self, '_m_length'):
                return self._m_length

            self._m_length = (self.number if self.is_tile else (self.len_drawn.value if self.is_drawn else 0))
            return getattr(self, '_m_length', None)

        @property
        def num_tiles(self):
            if hasattr(self, '_m_num_tiles'):
                return self._m_num_tiles

            self._m_num_tiles = (1 if  ((self.is_tile) or (self.is_drawn))  else (self.number // 2 + 1 if self.is_absent else 0))
            return getattr(self, '_m_num_tiles', None)

        @property
        def number(self):
            if hasattr(self, '_m_number'):
                return self._m_number

            self._m_number = self.code.value // self.base
            return getattr(self, '_m_number', None)

        @property
        def rate_change(self):
            """What the rate offset changes by, for the tiles that follow."""
            if hasattr(self, '_m_rate_change'):
                return self._m_rate_change

            if self.is_rate:
                pass
                self._m_rate_change = (self.rate_step // 2 + 1 if self.rate_step % 2 == 0 else 0 - (self.rate_step + 1) // 2)

            return getattr(self, '_m_rate_change', None)

        @property
        def rate_step(self):
            if hasattr(self, '_m_rate_step'):
                return self._m_rate_step

            if self.is_rate:
                pass
                self._m_rate_step = (self.number - 5) // 2

            return getattr(self, '_m_rate_step', None)


    class Stream(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.Stream, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.identity = self._io.read_bytes(16)
            self.fields = Tcx.StreamFields(self._io, self, self._root)


        def _fetch_instances(self):
            pass
            self.fields._fetch_instances()


    class StreamFields(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.StreamFields, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.level = self._io.read_u1()
            self.num_tasks = Tcx.Varint(self._io, self, self._root)
            _ = self.num_tasks
            if not  ((_.value >= 1) and (_.value <= 255) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.num_tasks, self._io, u"/types/stream_fields/seq/1")
            self.tasks = []
            for i in range(self.num_tasks.value):
                self.tasks.append(Tcx.StreamTask(self._io, self, self._root))

            self.symbol_checksum = self._io.read_u2le()
            self.payload = self._io.read_bytes_full()


        def _fetch_instances(self):
            pass
            self.num_tasks._fetch_instances()
            for i in range(len(self.tasks)):
                pass
                self.tasks[i]._fetch_instances()



    class StreamTask(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.StreamTask, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.identifier = self._io.read_u2le()
            self.height = Tcx.Varint(self._io, self, self._root)
            _ = self.height
            if not  ((_.value >= 1) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.height, self._io, u"/types/stream_task/seq/1")
            self.width = Tcx.Varint(self._io, self, self._root)
            _ = self.width
            if not  ((_.value >= 1) and (_.is_shortest)) :
                raise kaitaistruct.ValidationExprError(self.width, self._io, u"/types/stream_task/seq/2")


        def _fetch_instances(self):
            pass
            self.height._fetch_instances()
            self.width._fetch_instances()


    class ThdrBody(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.ThdrBody, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.header = Tcx.Header(self._io, self, self._root)
            if  ((self.header.is_lean) and (self.header.has_pixels)) :
                pass
                self.tile = Tcx.LeanTile(self._io, self, self._root)

            if  ((self.header.is_lean) and ((not (self.header.has_pixels)))) :
                pass
                self.stream = Tcx.StreamFields(self._io, self, self._root)

            self.rest = self._io.read_bytes_full()
            _ = self.rest
            if not len(_) == 0:
                raise kaitaistruct.ValidationExprError(self.rest, self._io, u"/types/thdr_body/seq/3")


        def _fetch_instances(self):
            pass
            self.header._fetch_instances()
            if  ((self.header.is_lean) and (self.header.has_pixels)) :
                pass
                self.tile._fetch_instances()

            if  ((self.header.is_lean) and ((not (self.header.has_pixels)))) :
                pass
                self.stream._fetch_instances()



    class ThdrChunk(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.ThdrChunk, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.kind = self._io.read_bytes(4)
            if not self.kind == b"\x54\x48\x44\x52":
                raise kaitaistruct.ValidationNotEqualError(b"\x54\x48\x44\x52", self.kind, self._io, u"/types/thdr_chunk/seq/0")
            self.len_body = self._io.read_u4le()
            self._raw_body = self._io.read_bytes(self.len_body)
            _io__raw_body = KaitaiStream(BytesIO(self._raw_body))
            self.body = Tcx.ThdrBody(_io__raw_body, self, self._root)
            self.checksum = self._io.read_u4le()


        def _fetch_instances(self):
            pass
            self.body._fetch_instances()


    class TileEntry(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.TileEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.texture_class = self._io.read_u1()
            _ = self.texture_class
            if not  ((_ == 255) or ( ((_ == 254) and (self._root.header.has_drawn)) ) or ( ((_ < self._root.header.num_classes) and ((not ( ((self._root.header.entropy_profile == 0) and (self._root.header.has_drawn)) )))) )) :
                raise kaitaistruct.ValidationExprError(self.texture_class, self._io, u"/types/tile_entry/seq/0")
            if (not (self.is_absent)):
                pass
                self.len_payload = Tcx.Varint(self._io, self, self._root)
                _ = self.len_payload
                if not _.is_shortest:
                    raise kaitaistruct.ValidationExprError(self.len_payload, self._io, u"/types/tile_entry/seq/1")

            if (not (self.is_absent)):
                pass
                self.rate_offset = self._io.read_s1()

            if (not (self.is_absent)):
                pass
                self.payload_checksum = self._io.read_u4le()

            if (not (self.is_absent)):
                pass
                self.symbol_checksum = self._io.read_u2le()



        def _fetch_instances(self):
            pass
            if (not (self.is_absent)):
                pass
                self.len_payload._fetch_instances()

            if (not (self.is_absent)):
                pass

            if (not (self.is_absent)):
                pass

            if (not (self.is_absent)):
                pass


        @property
        def is_absent(self):
            if hasattr(self, '_m_is_absent'):
                return self._m_is_absent

            self._m_is_absent = self.texture_class == 255
            return getattr(self, '_m_is_absent', None)

        @property
        def is_drawn(self):
            if hasattr(self, '_m_is_drawn'):
                return self._m_is_drawn

            self._m_is_drawn = self.texture_class == 254
            return getattr(self, '_m_is_drawn', None)

        @property
        def length(self):
            if hasattr(self, '_m_length'):
                return self._m_length

            self._m_length = (0 if self.is_absent else self.len_payload.value)
            return getattr(self, '_m_length', None)


    class TileIndex(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.TileIndex, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.entries = []
            for i in range(self._root.header.num_tiles):
                self.entries.append(Tcx.TileEntry(self._io, self, self._root))

            self.rest = self._io.read_bytes_full()
            _ = self.rest
            if not len(_) == 0:
                raise kaitaistruct.ValidationExprError(self.rest, self._io, u"/types/tile_index/seq/1")


        def _fetch_instances(self):
            pass
            for i in range(len(self.entries)):
                pass
                self.entries[i]._fetch_instances()



    class TilesByIndex(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.TilesByIndex, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.payloads = []
            for i in range(len(self._root.index.entries)):
                self.payloads.append(self._io.read_bytes(self._root.index.entries[i].length))

            self.rest = self._io.read_bytes_full()
            _ = self.rest
            if not len(_) == 0:
                raise kaitaistruct.ValidationExprError(self.rest, self._io, u"/types/tiles_by_index/seq/1")


        def _fetch_instances(self):
            pass
            for i in range(len(self.payloads)):
                pass



    class TilesByRuns(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.TilesByRuns, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.payloads = []
            for i in range(len(self._root.head.entries)):
                self.payloads.append(self._io.read_bytes(self._root.head.entries[i].length))

            self.rest = self._io.read_bytes_full()
            _ = self.rest
            if not len(_) == 0:
                raise kaitaistruct.ValidationExprError(self.rest, self._io, u"/types/tiles_by_runs/seq/1")


        def _fetch_instances(self):
            pass
            for i in range(len(self.payloads)):
                pass



    class Varint(KaitaiStruct):
        """Unsigned LEB128 below 2^32 in its shortest form."""
        def __init__(self, _io, _parent=None, _root=None):
            super(Tcx.Varint, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.groups = []
            i = 0
            while True:
                _ = self._io.read_u1()
                self.groups.append(_)
                _ = self.groups[i]
                if not  ((len(self.groups) < 5) or (_ < 16)) :
                    raise kaitaistruct.ValidationExprError(self.groups[i], self._io, u"/types/varint/seq/0")
                if  ((_ < 128) or (len(self.groups) == 5)) :
                    break
                i += 1


        def _fetch_instances(self):
            pass
            for i in range(len(self.groups)):
                pass


        @property
        def count(self):
            if hasattr(self, '_m_count'):
                return self._m_count

            self._m_count = len(self.groups)
            return getattr(self, '_m_count', None)

        @property
        def is_shortest(self):
            if hasattr(self, '_m_is_shortest'):
                return self._m_is_shortest

            self._m_is_shortest =  ((self.count == 1) or (self.groups[-1] != 0)) 
            return getattr(self, '_m_is_shortest', None)

        @property
        def value(self):
            if hasattr(self, '_m_value'):
                return self._m_value

            self._m_value = ((((self.groups[0] & 127) + ((self.groups[1] & 127) << 7 if self.count > 1 else 0)) + ((self.groups[2] & 127) << 14 if self.count > 2 else 0)) + ((self.groups[3] & 127) << 21 if self.count > 3 else 0)) + ((self.groups[4] & 127) * 268435456 if self.count > 4 else 0)
            return getattr(self, '_m_value', None)


    @property
    def has_chunks(self):
        """Behind the header or head; TDAT and TEND are among them."""
        if hasattr(self, '_m_has_chunks'):
            return self._m_has_chunks

        self._m_has_chunks = (self.head.has_chunks if self.is_compact else (not (self.header.is_lean)))
        return getattr(self, '_m_has_chunks', None)

    @property
    def has_index(self):
        if hasattr(self, '_m_has_index'):
            return self._m_has_index

        self._m_has_index =  ((self.is_chunked) and (self.header.has_pixels) and ((not (self.header.is_lean)))) 
        return getattr(self, '_m_has_index', None)

    @property
    def has_pixels(self):
        if hasattr(self, '_m_has_pixels'):
            return self._m_has_pixels

        self._m_has_pixels =  ((self.is_compact) or (self.header.has_pixels)) 
        return getattr(self, '_m_has_pixels', None)

    @property
    def header(self):
        if hasattr(self, '_m_header'):
            return self._m_header

        if self.is_chunked:
            pass
            self._m_header = self.thdr.body.header

        return getattr(self, '_m_header', None)

    @property
    def index(self):
        if hasattr(self, '_m_index'):
            return self._m_index

        if self.has_index:
            pass
            self._m_index = self.before_index[-1].index

        return getattr(self, '_m_index', None)

    @property
    def is_chunked(self):
        if hasattr(self, '_m_is_chunked'):
            return self._m_is_chunked

        self._m_is_chunked = self.form == 13
        return getattr(self, '_m_is_chunked', None)

    @property
    def is_compact(self):
        if hasattr(self, '_m_is_compact'):
            return self._m_is_compact

        self._m_is_compact = self.form == 2
        return getattr(self, '_m_is_compact', None)


