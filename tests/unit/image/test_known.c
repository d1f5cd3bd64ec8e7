/* Machine code whose PTX is known: found by its own bytes and by no others. */
#include <criterion/criterion.h>
#include <string.h>

#include "shim/image/image.h"
#include "shim/image/known.h"

static const char text[] = ".version 7.0\n.target sm_70\n.address_size 64\n";
static const char source[] = ".version 7.0\n.target sm_70\n// where it came from\n";

Test(image_known, an_image_finds_the_ptx_it_was_made_from)
{
    struct det_bytes found = { 0 }, image = { 0 };
    cr_assert(det_known_add(text, sizeof text, source, sizeof source));
    cr_assert_eq(det_image_copy(text, sizeof text, &image), DET_OK);
    cr_assert(det_known_find(image.data, image.n_bytes, &found));
    cr_expect_eq(found.n_bytes, strlen(source), "without the NUL");
    cr_expect_eq(memcmp(found.data, source, strlen(source)), 0);
    det_bytes_free(&found);
    image.data[3] ^= 1;
    cr_expect_not(det_known_find(image.data, image.n_bytes, &found));
    image.data[3] ^= 1;
    cr_expect_not(det_known_find(image.data, image.n_bytes - 1, &found));
    det_bytes_free(&image);
    det_bytes_free(&found);
}

Test(image_known, empty_ptx_and_unreadable_images_are_refused)
{
    cr_expect_not(det_known_add(text, sizeof text, "", 1));
    cr_expect_not(det_known_add("garbage that is no image", 24, source, sizeof source));
    cr_expect_not(det_known_add(NULL, 100, source, sizeof source));
}
